import type { Approval } from '../../contract/approval.ts';
import { isTaskOver, type Task } from '../../contract/task.ts';

const MAX_TITLE = 200;
const MAX_WORDS = 2_000;
const MAX_ANSWER = 3_500;

export const stateWord = ({ state }: Task, isPaused: boolean): string =>
  isPaused && !isTaskOver(state) ? 'paused' : state;

/** What a task is doing, in a message that is changed as it goes on. */
export function statusWords(task: Task, isPaused: boolean, activity: string | null): string {
  const { id, title, state, cause, agent, attempts } = task;
  const by = agent === null ? '' : ` · ${agent}`;
  const tries = attempts > 1 ? ` · attempt ${attempts}` : '';
  return [
    cut(title, MAX_TITLE),
    `${id} · ${stateWord(task, isPaused)}${by}${tries}`,
    cause === null ? '' : cut(cause, MAX_WORDS),
    activity === null || isTaskOver(state) ? '' : activity,
  ]
    .filter((line) => line !== '')
    .join('\n');
}

/** How a task ended. */
export function endWords({ title, state, failure, result, cause }: Task): string {
  const mark = state === 'done' ? '✅ Done' : state === 'cancelled' ? '🛑 Cancelled' : '❌ Failed';
  const files = result?.filesChanged.length ?? 0;
  return [
    `${mark}: ${cut(title, MAX_TITLE)}`,
    state === 'done' ? '' : cut(failure?.message ?? cause ?? '', MAX_WORDS),
    cut(result?.summary ?? '', MAX_ANSWER),
    files === 0 ? '' : `${files} ${files === 1 ? 'file' : 'files'} changed`,
  ]
    .filter((line) => line !== '')
    .join('\n');
}

/** What waits for a person and how to answer it, or what became of it. */
export function askWords({ id, subject, agent, state, decidedBy, cause }: Approval): string {
  const who = agent ?? 'The agent';
  if (state !== 'pending') return `${id} was ${state}${decidedBy === null ? '' : ` by ${decidedBy}`}: ${cause ?? ''}`;
  if (subject.type === 'permission') {
    const { tool, command, patterns } = subject.call;
    const what = `${tool} ${command ?? patterns.join(' ')}`;
    return `❓ ${who} asks for permission:\n${cut(what, MAX_WORDS)}\n/approve ${id}\n/deny ${id} reason`;
  }
  const questions = subject.questions.map(({ question, options }) => {
    const labels = options.map(({ label }) => label).join(' | ');
    return labels === '' ? question : `${question} (${labels})`;
  });
  const lines = questions.length > 1 ? ' (one line for each question)' : '';
  return `❓ ${who} asks:\n${cut(questions.join('\n'), MAX_WORDS)}\n/answer ${id} text${lines}\n/deny ${id} reason`;
}

/** An answer to `/status`. */
export function statusAnswer(task: Task, isPaused: boolean, pending: readonly Approval[]): string {
  const waits = pending.map(({ id, subject }) => `waits for ${subject.type}: ${id}`);
  return [statusWords(task, isPaused, null), ...waits].join('\n');
}

export const cut = (text: string, max: number): string =>
  text.length <= max ? text : `${text.slice(0, max).toWellFormed()}… [${text.length} characters]`;
