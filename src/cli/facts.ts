import type { Fact, FactData } from '../contract/fact.ts';
import type { Paint, Style } from './output.ts';
import { subjectText } from './progress.ts';
import { clip, oneLine, safeText } from './text.ts';

/** What a fact says, in a few words on one line. */
export function factText(fact: Fact): string {
  switch (fact.kind) {
    case 'approval.changed':
      return `${fact.data.row.id} ${fact.data.to}: ${subjectText(fact.data.row)}${because(fact.data.row.decidedBy)}`;
    case 'project.changed':
    case 'request.changed':
    case 'task.changed':
    case 'attempt.changed':
    case 'session.changed':
    case 'agent.changed':
    case 'grant.changed':
    case 'message.changed':
    case 'merge.changed':
      return `${fact.data.row.id} ${move(fact.data)}${because(fact.data.cause)}`;
    case 'delegation.message':
      return `${fact.data.noteType}: ${oneLine(fact.data.text)}`;
    case 'prompt.accepted':
      return `${fact.data.promptId} (${fact.data.kind})`;
    case 'turn.started':
      return fact.data.promptId;
    case 'turn.ended':
      return `${fact.data.outcome}${because(fact.data.failure?.message ?? null)}`;
    case 'text':
    case 'reasoning':
    case 'text.delta':
    case 'reasoning.delta':
      return oneLine(fact.data.text);
    case 'tool.started':
      return `${fact.data.tool}: ${oneLine(fact.data.title)}`;
    case 'tool.ended':
      return `${fact.data.tool} ${fact.data.status}: ${oneLine(fact.data.output)}`;
    case 'file.changed':
      return oneLine(fact.data.path);
    case 'todo':
      return fact.data.items.map((item) => `[${item.status}] ${oneLine(item.text)}`).join(' ');
    case 'child.started':
      return oneLine(fact.data.title);
    case 'child.state':
      return `${fact.data.state}: ${oneLine(fact.data.nativeId)}`;
    case 'usage':
      return `${fact.data.usage.inputTokens} in, ${fact.data.usage.outputTokens} out`;
    case 'compaction':
      return fact.data.phase;
    case 'retrying':
      return `try ${fact.data.try}: ${oneLine(fact.data.message)}`;
    case 'notice':
      return `${fact.data.level}: ${oneLine(fact.data.text)}`;
    case 'check.ran':
      return `${fact.data.check.isMet === null ? 'not checked' : fact.data.check.isMet ? 'met' : 'not met'}: ${oneLine(fact.data.check.text)}`;
    case 'collected':
      return `${fact.data.commit.slice(0, 12)} onto ${fact.data.branch}`;
    case 'policy.decided':
      return `${fact.data.verdict.action} ${fact.data.call.tool} ${oneLine(fact.data.call.command ?? fact.data.call.patterns.join(' '))} by ${oneLine(fact.data.verdict.rule)}`;
    case 'observed':
      return eventText(fact.data);
    case 'late':
      return oneLine(fact.data.what);
    case 'alert.opened':
    case 'alert.closed':
      return oneLine(fact.data.text);
    case 'swept':
      return `${oneLine(fact.data.what)} (${fact.data.pids.join(', ')})`;
    case 'daemon.started':
      return `version ${fact.data.version}, pid ${fact.data.pid}${because(fact.data.recovered.join('; '))}`;
    case 'daemon.stopped':
      return oneLine(fact.data.cause);
    default:
      return fact satisfies never;
  }
}

/** Many rows change without a new state: only what changes is said to. */
const move = ({ from, to }: { readonly from: string | null; readonly to: string }): string =>
  from === to ? to : `${from ?? 'new'} → ${to}`;

/** An outside program's event: where it came from, what it is, and the one thing of its payload that says most. */
function eventText({ source_app, hook_event_type, payload, summary }: FactData<'observed'>): string {
  const said = [summary, payload.tool_name, payload.prompt, payload.message, payload.error].find(
    (value) => typeof value === 'string' && value !== '',
  );
  return oneLine([`${source_app}: ${hook_event_type}`, ...(said === undefined ? [] : [String(said)])].join(' '));
}

const because = (cause: string | null): string => (cause === null || cause === '' ? '' : ` (${oneLine(cause)})`);

/** `12:04:31`, local. */
export const timeOfDay = (at: number): string => new Date(at).toTimeString().slice(0, 8);

/** A row of the journal. */
export function eventLine(fact: Fact, columns: number, paint: Paint): string {
  const about = fact.taskId ?? fact.requestId ?? fact.sessionId ?? fact.projectId ?? '';
  const text = factText(fact);
  const head = `${String(fact.seq).padStart(6)} ${timeOfDay(fact.at)} ${fact.kind.padEnd(16)} `;
  const line = text.startsWith(about) ? text : `${about} ${text}`;
  return paint('dim', head) + clip(line.trim(), Math.max(20, columns - head.length));
}

const LOG_STYLES: Partial<Record<Fact['kind'], Style>> = {
  'tool.started': 'cyan',
  'task.changed': 'bold',
  'request.changed': 'bold',
  'approval.changed': 'yellow',
  reasoning: 'dim',
};

/** What a person wants of the journal to see what an agent did; other kinds have no lines. Texts come whole. */
export function logLines(fact: Fact, paint: Paint, nameOf: (fact: Fact) => string): string[] {
  const lines = logText(fact);
  if (lines === null) return [];
  const head = `${paint('dim', timeOfDay(fact.at))} ${nameOf(fact)} `;
  const style = LOG_STYLES[fact.kind];
  return lines.map((line) => `${head}${style === undefined ? line : paint(style, line)}`);
}

function logText(fact: Fact): string[] | null {
  switch (fact.kind) {
    case 'text':
    case 'reasoning':
      return safeText(fact.data.text.trim()).split('\n');
    case 'tool.started':
      return [`${fact.data.tool}: ${oneLine(fact.data.title)}`];
    case 'tool.ended': {
      const output = safeText(fact.data.output.trimEnd()).split('\n').slice(-20);
      const status = fact.data.status === 'completed' ? [] : [`${fact.data.tool} ${fact.data.status}`];
      return [...status, ...output.filter((line) => line !== '').map((line) => `  ${line}`)];
    }
    case 'request.changed':
    case 'task.changed':
      return fact.data.from === fact.data.to ? null : [`${fact.data.to}${because(fact.data.cause)}`];
    case 'approval.changed':
    case 'check.ran':
    case 'collected':
    case 'notice':
    case 'policy.decided':
    case 'retrying':
    case 'file.changed':
      return [`${fact.kind.split('.')[0]}: ${factText(fact)}`];
    case 'turn.ended':
      return fact.data.outcome === 'done' ? null : [`turn ${factText(fact)}`];
    default:
      return null;
  }
}
