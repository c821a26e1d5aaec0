import { balanced } from '../../base/script.ts';
import type { FallbackReason } from '../../contract/request.ts';

/** What a planner's answer says, before its tasks are checked. */
export type Answer =
  | { readonly type: 'tasks'; readonly entries: readonly Entry[] }
  | { readonly type: 'reply'; readonly text: string }
  | {
      readonly type: 'unreadable';
      readonly reason: Extract<FallbackReason, 'empty' | 'no_json' | 'not_a_plan' | 'no_tasks'>;
      readonly detail: string;
    };

type Unreadable = Extract<Answer, { type: 'unreadable' }>;

/** A task as a model wrote it: any key may hold anything. */
export type Entry = Readonly<Record<string, unknown>>;

const MAX_ANSWER_CHARS = 4_000_000;
/** Looking for JSON in prose costs at most this many characters and tries, whatever the text is. */
const SEARCH_BUDGET = { chars: 40_000_000, tries: 2_000 };

/**
 * Finds the plan in a model's text: the whole if it is JSON; else the first fenced block, else the first balanced
 * `{…}` or `[…]`, that has the shape of a plan. Braces and fences inside of JSON strings do not mislead it.
 */
export function readAnswer(raw: string): Answer {
  const text = raw
    .replace(/^\uFEFF/, '')
    .replace(/^\s*<think>[\s\S]*?<\/think>/, '')
    .trim();
  if (text === '') return unreadable('empty', 'The planner answered nothing');
  if (text.length > MAX_ANSWER_CHARS) return unreadable('no_json', `The planner answered ${text.length} characters`);
  const whole = parse(text) ?? parse(unfenced(text));
  if (whole) return judge(whole.value);
  return search(text);
}

/** The content of a text that is one fenced block. */
const unfenced = (text: string): string => /^```[\w-]*\n?([\s\S]*?)```$/.exec(text)?.[1]?.trim() ?? '';

function parse(text: string): { readonly value: unknown } | null {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** What a JSON value is, as an answer. */
function judge(value: unknown): Answer {
  if (Array.isArray(value)) return judgeList(value);
  if (!isEntry(value)) return unreadable('not_a_plan', `The planner answered the JSON value ${shown(String(value))}`);
  const { tasks } = value;
  const entries = Array.isArray(tasks) ? tasks.filter(isEntry) : [];
  const reply = [value.reply, value.question].find((said) => typeof said === 'string' && said.trim() !== '');
  if (entries.length > 0) return { type: 'tasks', entries };
  if (typeof reply === 'string') return { type: 'reply', text: reply.trim() };
  if (Array.isArray(tasks)) return unreadable('no_tasks', `The planner's list of ${tasks.length} tasks holds none`);
  const found = tasks === undefined ? 'has no tasks' : `has no list of tasks but ${typeof tasks}`;
  return unreadable('no_tasks', `The planner's answer ${found}`);
}

function judgeList(list: readonly unknown[]): Answer {
  const entries = list.filter(isEntry);
  if (entries.length > 0) return { type: 'tasks', entries };
  return unreadable('not_a_plan', `The planner answered a list of ${list.length} values without a task`);
}

const isEntry = (value: unknown): value is Entry =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A plan among prose: in fences first, then anywhere. */
function search(text: string): Answer {
  const budget = { ...SEARCH_BUDGET };
  let nearest: Unreadable | null = null;
  for (const starts of [/(?<=```[\w-]{0,20}\s{0,20})[{[]/g, /\{(?=\s*["}])|\[(?=\s*\{)/g]) {
    for (const found of valuesAt(text, starts, budget)) {
      if (!hasShape(found)) continue;
      const answer = judge(found);
      if (answer.type !== 'unreadable') return answer;
      nearest ??= answer;
    }
  }
  return nearest ?? unreadable('no_json', `The planner answered without a plan in JSON: ${shown(text)}`);
}

/** The JSON values that begin where `starts` matches; what is inside of a value that was read is not read again. */
function* valuesAt(text: string, starts: RegExp, budget: { chars: number; tries: number }): Generator<unknown> {
  for (let match = starts.exec(text); match !== null; match = starts.exec(text)) {
    if (budget.tries <= 0 || budget.chars <= 0) return;
    const slice = balanced(text, match.index);
    budget.tries -= 1;
    budget.chars -= slice?.length ?? text.length - match.index;
    const parsed = slice === null ? null : parse(slice);
    if (!(slice && parsed)) continue;
    yield parsed.value;
    starts.lastIndex = match.index + slice.length;
  }
}

/** An object that speaks of tasks, a reply or a question, or a list with something that reads like a task. */
function hasShape(value: unknown): boolean {
  if (Array.isArray(value)) return value.some((entry) => isEntry(entry) && typeof entry.description === 'string');
  return (
    isEntry(value) &&
    (Object.hasOwn(value, 'tasks') || typeof value.reply === 'string' || typeof value.question === 'string')
  );
}

const unreadable = (reason: Unreadable['reason'], detail: string): Unreadable => ({
  type: 'unreadable',
  reason,
  detail,
});

/** The beginning of a text, for a person. */
const shown = (text: string): string => {
  const line = text.slice(0, 300).replaceAll(/\s+/g, ' ');
  return line.length <= 120 ? `"${line}"` : `"${line.slice(0, 120)}…"`;
};
