import type { Approval } from '../../contract/approval.ts';
import type { Fact, FactKind } from '../../contract/fact.ts';
import type { Request } from '../../contract/request.ts';
import type { Task } from '../../contract/task.ts';
import type { SpeechKind } from '../../contract/webhook.ts';
import { plainWords } from './plain-words.ts';

/** Something worth a sentence. */
export type SpeechEvent = { readonly kind: SpeechKind; readonly say: string; readonly agent: string | null };

export const SPOKEN_FACTS: readonly FactKind[] = [
  'approval.changed',
  'request.changed',
  'task.changed',
  'agent.changed',
];

const MAX_TITLE_LENGTH = 80;
const MAX_QUESTION_LENGTH = 120;

/** The words of a text, or these others if it has none that can be spoken. */
export const wordsOf = (text: string, otherwise: string): string => plainWords(text, MAX_TITLE_LENGTH) || otherwise;

/** What is to be said of a fact; null if nothing. */
export function speechEvent(fact: Fact, project: string | null): SpeechEvent | null {
  const where = project === null ? '' : ` in ${wordsOf(project, 'a project')}`;
  switch (fact.kind) {
    case 'approval.changed':
      return fact.data.from === null ? asked(fact.data.row, where) : null;
    case 'request.changed':
      return fact.data.from === fact.data.to ? null : ended(fact.data.row, where);
    case 'task.changed':
      return fact.data.from === fact.data.to ? null : overBudget(fact.data.row, where);
    case 'agent.changed': {
      const { from, to, row } = fact.data;
      if (from !== 'working' || to !== 'idle') return null;
      return { kind: 'idle', agent: row.id, say: `${nameOf(row.id)}${where} is idle.` };
    }
    default:
      return null;
  }
}

/** `demo/worker/w1` → `worker w1`. */
const nameOf = (agent: string | null): string => wordsOf((agent ?? '').split('/').slice(1).join(' '), 'an agent');

function asked({ subject, agent }: Approval, where: string): SpeechEvent {
  const who = `${nameOf(agent)}${where}`;
  if (subject.type === 'permission') {
    const tool = wordsOf(subject.call.tool.replaceAll('_', ' '), 'a tool');
    return { kind: 'approval', agent, say: `${who} asks for permission to use ${tool}.` };
  }
  const question = plainWords(subject.questions[0]?.question ?? '', MAX_QUESTION_LENGTH);
  return { kind: 'question', agent, say: `${who} asks: ${question || 'a question'}` };
}

function ended({ state, text, failure }: Request, where: string): SpeechEvent | null {
  const title = wordsOf(text, 'a request').replace(/[.,;:!?…]+$/, '');
  if (state === 'done') return { kind: 'done', agent: null, say: `Done${where}: ${title}.` };
  if (state !== 'failed') return null;
  return failure?.class === 'budget'
    ? { kind: 'budget', agent: null, say: `The budget is used up${where}: ${title}.` }
    : { kind: 'failed', agent: null, say: `Failed${where}: ${title}.` };
}

function overBudget({ state, failure, title, agent }: Task, where: string): SpeechEvent | null {
  if (state !== 'waiting' || failure?.class !== 'budget') return null;
  return { kind: 'budget', agent, say: `The budget is used up${where}: ${wordsOf(title, 'a task')}.` };
}
