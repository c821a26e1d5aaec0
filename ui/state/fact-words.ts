import type { ObservedEvent } from '../../src/contract/event.ts';
import type { Fact, FactKind } from '../../src/contract/fact.ts';
import type { Usage } from '../../src/contract/usage.ts';
import { duration, firstLine, money, tokens } from './words.ts';

/** What kinds of facts are shown as one colour, and are one series of the pulse. */
export const FAMILIES = ['words', 'tools', 'state', 'waiting', 'trouble'] as const;
export type Family = (typeof FAMILIES)[number];

const FAMILY_OF: Partial<Readonly<Record<FactKind, Family>>> = {
  text: 'words',
  'text.delta': 'words',
  reasoning: 'words',
  'reasoning.delta': 'words',
  'prompt.accepted': 'words',
  'turn.started': 'words',
  'turn.ended': 'words',
  'tool.started': 'tools',
  'tool.ended': 'tools',
  'file.changed': 'tools',
  'check.ran': 'tools',
  'child.started': 'tools',
  'child.state': 'tools',
  observed: 'tools',
  'approval.changed': 'waiting',
  'policy.decided': 'waiting',
  'alert.opened': 'trouble',
  retrying: 'trouble',
  late: 'trouble',
};

export function familyOf(fact: Fact): Family {
  return isTrouble(fact) ? 'trouble' : (FAMILY_OF[fact.kind] ?? 'state');
}

/** Whether something went wrong. */
export function isTrouble({ kind, data }: Fact): boolean {
  switch (kind) {
    case 'alert.opened':
      return true;
    case 'tool.ended':
      return data.status === 'error';
    case 'observed':
      return /failure|error/i.test(data.hook_event_type);
    case 'turn.ended':
      return data.failure !== null;
    case 'child.state':
      return data.state === 'failed';
    case 'notice':
      return data.level === 'error';
    case 'check.ran':
      return data.check.isMet === false;
    case 'task.changed':
    case 'request.changed':
    case 'attempt.changed':
    case 'session.changed':
      return data.to === 'failed' || data.to === 'lost';
    default:
      return false;
  }
}

/** A fact in one line. */
export function detailOf(fact: Fact): string {
  if (fact.kind.endsWith('.changed') && 'row' in fact.data) {
    const { from, to, cause, row } = fact.data;
    const move = from === to ? `still ${to}` : `${from ?? 'made'} → ${to}`;
    return `${row.id} ${move}${cause ? `: ${firstLine(cause, 200)}` : ''}`;
  }
  return firstLine(wordsOf(fact), 300);
}

function wordsOf(fact: Fact): string {
  switch (fact.kind) {
    case 'text':
    case 'reasoning':
    case 'text.delta':
    case 'reasoning.delta':
    case 'notice':
    case 'alert.opened':
    case 'alert.closed':
      return fact.data.text;
    case 'tool.started':
      return `${fact.data.tool} ${fact.data.title}`;
    case 'tool.ended':
      return `${fact.data.tool} ${fact.data.status}: ${fact.data.title}`;
    case 'turn.ended': {
      const { outcome, failure, usage } = fact.data;
      return `${outcome}: ${failure?.message ?? usedWords(usage)}`;
    }
    case 'usage':
      return usedWords(fact.data.usage);
    case 'prompt.accepted':
      return `took the prompt ${fact.data.promptId} (${fact.data.kind})`;
    case 'turn.started':
      return `begins with ${fact.data.promptId}`;
    case 'retrying':
      return `try ${fact.data.try}: ${fact.data.message}`;
    case 'compaction':
      return fact.data.phase;
    case 'check.ran': {
      const { check, round } = fact.data;
      const met = check.isMet === null ? 'not checked' : check.isMet ? 'met' : 'not met';
      return `round ${round}, ${met} in ${duration(check.durationMs)}: ${check.text}`;
    }
    case 'policy.decided':
      return `${fact.data.verdict.action} ${fact.data.call.tool} ${fact.data.call.command ?? fact.data.call.patterns.join(' ')}, by ${fact.data.verdict.rule}`;
    case 'todo':
      return fact.data.items.map(({ status, text }) => `${status}: ${text}`).join(' · ');
    case 'file.changed':
      return fact.data.path;
    case 'observed':
      return observedWords(fact.data);
    case 'child.started':
      return fact.data.title;
    case 'child.state':
      return `${fact.data.state}: ${fact.data.nativeId}`;
    default:
      return JSON.stringify(fact.data);
  }
}

/** The keys in which the usual hooks say what they are about, the most telling first. */
const TELLING = ['prompt', 'message', 'error', 'tool_name', 'agent_type', 'source', 'reason', 'trigger'] as const;

function observedWords({ source_app, hook_event_type, summary, payload, humanInTheLoop }: ObservedEvent): string {
  const told = TELLING.map((key) => payload[key]).find((value) => typeof value === 'string' && value !== '');
  const words = humanInTheLoop?.question ?? summary ?? told ?? JSON.stringify(payload);
  return `${source_app} ${hook_event_type}: ${words}`;
}

const usedWords = ({ inputTokens, outputTokens, costUsd }: Usage): string =>
  `${tokens(inputTokens)} in, ${tokens(outputTokens)} out, cost ${money(costUsd)}`;

/** What a search of the page looks through. */
const SEARCHED = 4_000;
export const searchedText = (fact: Fact): string =>
  `${fact.kind} ${fact.actor} ${fact.agent ?? ''} ${fact.sessionId ?? ''} ${JSON.stringify(fact.data)}`.slice(
    0,
    SEARCHED,
  );
