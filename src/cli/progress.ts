import type { Approval } from '../contract/approval.ts';
import type { Attempt } from '../contract/attempt.ts';
import type { View } from '../contract/fold.ts';
import { isRequestOver, type Request } from '../contract/request.ts';
import { isTaskActive, isTaskOver, type Task, type TaskState } from '../contract/task.ts';
import type { Usage } from '../contract/usage.ts';
import type { Paint, Style } from './output.ts';
import { clip, clipStart, count, duration, oneLine, padEnd, plural, safeText, widthOf, wrap } from './text.ts';

/** A request with what belongs to it, cut out of a view. */
export type RequestView = {
  readonly request: Request;
  /** In the order of the plan. */
  readonly tasks: readonly TaskView[];
  readonly approvals: readonly Approval[];
};
export type TaskView = {
  readonly task: Task;
  readonly attempt: Attempt | null;
  /** What its session does now, on one line; empty if that is not known. */
  readonly doing: string;
  /** ms of the last word from its session; null if there was none. */
  readonly lastAt: number | null;
};

/** Null as long as the view does not have the request. */
export function requestView(view: View, requestId: string): RequestView | null {
  const request = view.requests.get(requestId);
  if (request === undefined) return null;
  const tasks = [...view.tasks.values()]
    .filter((task) => task.requestId === requestId)
    .sort((a, b) => a.position - b.position)
    .map((task): TaskView => {
      const attempt = task.attemptId === null ? null : (view.attempts.get(task.attemptId) ?? null);
      const sessionId = attempt?.sessionId ?? null;
      const live = sessionId === null ? undefined : view.live.get(sessionId);
      const session = sessionId === null ? undefined : view.sessions.get(sessionId);
      return {
        task,
        attempt,
        doing: oneLine(live?.tool ?? live?.text ?? ''),
        lastAt: live?.lastAt ?? session?.lastEventAt ?? null,
      };
    });
  const approvals = [...view.approvals.values()].filter((a) => a.requestId === requestId && a.state === 'pending');
  return { request, tasks, approvals };
}

/**
 * Nothing will happen before a person decides: no task runs or may run, and at least one waits.
 * What depends on a waiting task stays blocked with it.
 */
export const isAtStandstill = ({ request, tasks }: RequestView): boolean =>
  request.state === 'running' &&
  tasks.some(({ task }) => task.state === 'waiting') &&
  tasks.every(({ task }) => isTaskOver(task.state) || task.state === 'waiting' || task.state === 'blocked');

export const isSettled = (view: RequestView): boolean => isRequestOver(view.request.state) || isAtStandstill(view);

const GLYPHS: Readonly<Record<TaskState, readonly [string, Style]>> = {
  blocked: ['·', 'dim'],
  ready: ['·', 'dim'],
  deferred: ['·', 'yellow'],
  assigned: ['', 'cyan'],
  working: ['', 'cyan'],
  verifying: ['', 'cyan'],
  waiting: ['!', 'yellow'],
  done: ['✓', 'green'],
  failed: ['✗', 'red'],
  cancelled: ['–', 'dim'],
};
export const glyphOf = (state: TaskState): readonly [string, Style] => GLYPHS[state];

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/** How long a picture of the spinner stays, ms. */
export const FRAME_MS = 100;

export type Canvas = {
  readonly columns: number;
  readonly rows: number;
  readonly paint: Paint;
  /** Whether keys answer questions here. */
  readonly hasKeys: boolean;
};

/** The picture of a request at `now` (ms): request, tasks, open questions. Never more lines than the canvas has rows. */
export function progressLines(view: RequestView, now: number, canvas: Canvas): string[] {
  const head = headLine(view, now, canvas);
  const asked = view.approvals.flatMap((approval) => approvalLines(view, approval, canvas));
  const tasks = taskLines(view.tasks, now, canvas);
  const room = Math.max(1, canvas.rows - 1 - asked.length);
  if (tasks.flat().length <= room) return [head, ...tasks.flat(), ...asked];
  const short = tasks.map(([first]) => first);
  if (short.length <= room) return [head, ...short, ...asked];
  const more = canvas.paint('dim', clip(`… ${plural(short.length - room + 1, 'more task')}`, canvas.columns));
  return [head, ...short.slice(0, room - 1), more, ...asked].slice(0, canvas.rows);
}

const spinner = (now: number): string => SPINNER[Math.floor(now / FRAME_MS) % SPINNER.length] ?? '';

function headLine({ request, tasks }: RequestView, now: number, { columns, paint }: Canvas): string {
  const done = tasks.filter(({ task }) => task.state === 'done').length;
  const state = request.state === 'running' && tasks.length > 0 ? `${done} of ${tasks.length} done` : request.state;
  const facts = [state, duration((request.endedAt ?? now) - request.createdAt), tokensOf(request.usage)];
  const right = clip(factsText(facts, columns), columns - 8);
  const left = clip(oneLine(request.text), columns - widthOf(right) - 4);
  const isMoving = request.state === 'planning' || request.state === 'running';
  return `${paint('cyan', isMoving ? spinner(now) : '●')} ${paint('bold', left)}  ${paint('dim', right)}`;
}

/** For each task its line, and one of what it does or waits for where that is known. The states stand below each other. */
function taskLines(tasks: readonly TaskView[], now: number, { columns, paint }: Canvas): [string, ...string[]][] {
  const cells = tasks.map((view) => ({
    view,
    left: `${view.task.label} ${oneLine(view.task.title)}`,
    right: clip(factsText(taskFacts(view, now), columns), columns - 14),
  }));
  const widest = (texts: readonly string[]): number => Math.max(0, ...texts.map(widthOf));
  const rightWidth = widest(cells.map((cell) => cell.right));
  const leftWidth = Math.min(widest(cells.map((cell) => cell.left)), columns - rightWidth - 6);
  return cells.map(({ view, left, right }) => {
    const isActive = isTaskActive(view.task.state);
    const [glyph, style] = GLYPHS[view.task.state];
    const first = `  ${paint(style, isActive ? spinner(now) : glyph)} ${padEnd(clip(left, leftWidth), leftWidth)}  ${paint('dim', right)}`;
    const detail = detailOf(view, tasks);
    if (detail === '') return [first];
    return [first, `      ${paint('dim', (isActive ? clipStart : clip)(detail, columns - 6))}`];
  });
}

function taskFacts({ task, attempt }: TaskView, now: number): string[] {
  const hasTime = attempt !== null && (isTaskActive(task.state) || isTaskOver(task.state));
  const elapsed = hasTime ? duration((task.endedAt ?? now) - attempt.createdAt) : '';
  return [task.state, elapsed, tokensOf(task.usage)];
}

/** On a narrow terminal the tokens give way. */
const factsText = (facts: readonly string[], columns: number): string =>
  (columns < 60 ? facts.slice(0, 2) : facts).filter((fact) => fact !== '').join(' · ');

function detailOf({ task, doing }: TaskView, all: readonly TaskView[]): string {
  if (isTaskActive(task.state)) return task.state === 'verifying' ? oneLine(task.cause ?? doing) : doing;
  if (task.state === 'blocked') {
    const open = all.filter((other) => task.dependsOn.includes(other.task.id) && other.task.state !== 'done');
    return open.length === 0 ? '' : `after ${open.map((other) => other.task.label).join(', ')}`;
  }
  if (task.state === 'done' || task.state === 'ready') return '';
  return oneLine(task.failure?.message ?? task.cause ?? '');
}

const tokensOf = (usage: Usage): string => {
  const tokens = usage.inputTokens + usage.outputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;
  return tokens === 0 ? '' : `${count(tokens)} tokens`;
};

/** What an approval asks, on one line; a line break in a command is shown, as it may begin another command. */
export function subjectText({ subject }: Pick<Approval, 'subject'>): string {
  if (subject.type === 'question') return subject.questions.map((q) => oneLine(q.question)).join(' / ');
  const { tool, command, patterns } = subject.call;
  return `${tool}: ${safeText(command ?? patterns.join(', '))
    .trim()
    .replaceAll('\n', ' ⏎ ')}`;
}

/** How an approval is answered from another terminal. */
export const answerCommands = ({ id, subject }: Pick<Approval, 'id' | 'subject'>): string =>
  subject.type === 'question'
    ? `gantry answer ${id} "…"   or   gantry deny ${id}`
    : `gantry approve ${id}   or   gantry deny ${id}`;

const labelOf = ({ tasks }: RequestView, approval: Approval): string =>
  tasks.find(({ task }) => task.id === approval.taskId)?.task.label ?? approval.agent ?? approval.backend;

/** Nobody should say yes to a command whose end they cannot see: so much of it is shown. */
const SUBJECT_LINES = 6;

function approvalLines(view: RequestView, approval: Approval, { columns, paint, hasKeys }: Canvas): string[] {
  const isQuestion = approval.subject.type === 'question';
  const text = `? ${labelOf(view, approval)} ${isQuestion ? 'asks' : 'wants to use'} ${subjectText(approval)}`;
  const subject = wrap(text, columns);
  const isLong = subject.length > SUBJECT_LINES;
  return [
    ...subject.slice(0, SUBJECT_LINES).map((line) => paint('yellow', line)),
    ...(isLong ? [paint('red', clip(`  … and more: gantry show ${approval.id}`, columns))] : []),
    ...(hasKeys
      ? [clip(isQuestion ? '  [a] answer  [d] deny' : '  [o] once  [s] this session  [d] deny', columns)]
      : []),
    paint('dim', clip(`  ${hasKeys ? 'or: ' : ''}${answerCommands(approval)}`, columns)),
  ];
}

/** What a reader of plain lines has been told. */
export type Told = { readonly states: ReadonlyMap<string, string>; readonly approvals: ReadonlySet<string> };
export const NOTHING_TOLD: Told = { states: new Map(), approvals: new Set() };

/** The lines that are new since `told`, each on a change of state, and what has been told then. */
export function newLines(
  view: RequestView,
  told: Told,
  now: number,
): { readonly lines: string[]; readonly told: Told } {
  const { request, tasks, approvals } = view;
  const lines: string[] = [];
  const states = new Map(told.states);
  const tell = (id: string, state: string, line: () => string): void => {
    if (states.get(id) === state) return;
    states.set(id, state);
    lines.push(line());
  };
  tell(request.id, request.state, () => `${request.id} ${request.state}${because(request.cause)}`);
  for (const { task, attempt } of tasks) {
    tell(task.id, `${task.state} ${task.attempts}`, () => {
      const elapsed =
        isTaskOver(task.state) && attempt ? ` in ${duration((task.endedAt ?? now) - attempt.createdAt)}` : '';
      const why = task.state === 'done' ? '' : because(task.failure?.message ?? task.cause);
      return `${task.label} ${task.state}${elapsed}: ${oneLine(task.title)}${why}`;
    });
  }
  for (const approval of approvals) {
    if (told.approvals.has(approval.id)) continue;
    lines.push(`${labelOf(view, approval)} asks: ${subjectText(approval)}`, `  ${answerCommands(approval)}`);
  }
  return { lines, told: { states, approvals: new Set(approvals.map((approval) => approval.id)) } };
}

const because = (cause: string | null): string => (cause === null || cause === '' ? '' : ` (${oneLine(cause)})`);

/** One line for a long silence: how long it has been, and what was seen last. */
export function silenceLine({ request, tasks, approvals }: RequestView, now: number): string {
  const parts = tasks
    .filter(({ task }) => isTaskActive(task.state))
    .map(({ task, doing, lastAt }) => {
      const last = lastAt === null ? 'nothing heard yet' : `last activity ${duration(now - lastAt)} ago`;
      return `${task.label} ${task.state}, ${last}${doing === '' ? '' : ` (${clip(doing, 60)})`}`;
    });
  const waiting = approvals.length > 0 ? [`${plural(approvals.length, 'approval')} waiting`] : [];
  const what = [...waiting, ...parts];
  return `${duration(now - request.createdAt)} ${what.length > 0 ? what.join('; ') : request.state}`;
}
