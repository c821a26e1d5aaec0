import { type FileChange, isRequestOver, type Plan, type PlannedTask, type Request } from '../contract/request.ts';
import type { RequestDetail } from '../contract/shapes.ts';
import type { Check, Task } from '../contract/task.ts';
import type { Usage } from '../contract/usage.ts';
import { type Column, type Paint, table } from './output.ts';
import { glyphOf } from './progress.ts';
import { clip, cost, duration, oneLine, padEnd, plural, safeText, widthOf, wrap } from './text.ts';

export type Page = { readonly columns: number; readonly paint: Paint };

/** The exit code of a request that has come to its end, or stands still until a person decides. */
export function exitCodeOf(request: Request, tasks: readonly Task[]): number {
  if (request.state === 'done') return 0;
  if (request.state === 'cancelled') return 5;
  const failed = tasks.filter((task) => task.state === 'failed' || task.state === 'waiting');
  const classes = [request.failure, ...failed.map((task) => task.failure)].map((failure) => failure?.class);
  if (classes.includes('denied')) return 3;
  return classes.includes('timeout') ? 6 : 1;
}

const PLAN_COLUMNS: readonly Column[] = [
  { title: 'TASK' },
  { title: 'TITLE', min: 12 },
  { title: 'AFTER', min: 5 },
  { title: 'FILES', min: 10 },
  { title: 'BUDGET' },
];

/** A plan as a table, each task's criteria below it, and what was odd about the planning. */
export function planLines(plan: Plan, { columns, paint }: Page): string[] {
  if (plan.reply !== null) return replyLines(plan.reply, { columns, paint });
  const rows = plan.tasks.map((task) => [
    task.id,
    oneLine(task.title),
    task.dependsOn.join(', ') || '-',
    task.files.map(oneLine).join(', ') || '-',
    task.budget,
  ]);
  return [
    ...table(PLAN_COLUMNS, rows, columns, paint),
    ...criteriaLines(plan.tasks, { columns, paint }),
    ...plan.notices.flatMap((notice) => noteLines(`note: ${oneLine(notice)}`, { columns, paint })),
    ...fallbackLines(plan, { columns, paint }),
  ];
}

export const replyLines = (reply: string, { columns }: Page): string[] =>
  wrap(safeText(reply.trim()), Math.min(columns, 100));

function criteriaLines(tasks: readonly PlannedTask[], { columns, paint }: Page): string[] {
  const lines = tasks.flatMap((task) =>
    task.successCriteria.map((criterion) => {
      const by = criterion.command === null ? '' : `  $ ${oneLine(criterion.command)}`;
      return paint('dim', clip(`${task.id} is done when: ${oneLine(criterion.text)}${by}`, columns));
    }),
  );
  return lines.length === 0 ? [] : ['', ...lines];
}

function fallbackLines(plan: Plan, { columns, paint }: Page): string[] {
  if (plan.source !== 'fallback') return [];
  const why = `No model made this plan (${plan.fallbackReason ?? 'unknown'}): ${plan.fallbackDetail ?? 'the request became one task'}`;
  return ['', ...noteLines(oneLine(why), { columns, paint })];
}

const noteLines = (text: string, { columns, paint }: Page): string[] =>
  wrap(text, Math.min(columns, 100)).map((line) => paint('yellow', line));

const CHANGE_LETTERS: Readonly<Record<FileChange['status'], string>> = {
  added: 'A',
  modified: 'M',
  deleted: 'D',
  renamed: 'R',
};

/** `M README.md  +2 -1`, the paths below each other. */
export function fileLines(files: readonly FileChange[], { columns, paint }: Page): string[] {
  const width = Math.min(columns - 18, Math.max(0, ...files.map((file) => widthOf(file.path))));
  return files.map((file) => {
    const path = padEnd(clip(oneLine(file.path), width), width);
    const plus = file.additions === null ? 'binary' : paint('green', `+${file.additions}`);
    const minus = file.deletions === null ? '' : paint('red', `-${file.deletions}`);
    return `${CHANGE_LETTERS[file.status]} ${path}  ${plus} ${minus}`.trimEnd();
  });
}

/** What became of each task: evidence, files, reasons. */
export function taskResultLines(task: Task, all: readonly Task[], page: Page): string[] {
  const { columns, paint } = page;
  const [glyph, style] = glyphOf(task.state);
  const room = columns - 6;
  const why = task.state === 'done' ? null : (task.failure?.message ?? task.cause);
  const skipped =
    task.state === 'cancelled' && task.attempts === 0 && all.some((other) => task.dependsOn.includes(other.id));
  const word = task.state === 'done' ? '' : `  ${paint(style, skipped ? 'skipped' : task.state)}`;
  return [
    `  ${paint(style, glyph)} ${clip(`${task.label} ${oneLine(task.title)}`, room - 10)}${word}`,
    ...(why === null ? [] : wrap(oneLine(why), Math.min(room, 100)).map((line) => `      ${line}`)),
    ...(task.result?.checks ?? []).flatMap((check) => checkLines(check, page)),
  ];
}

function checkLines(check: Check, { columns, paint }: Page): string[] {
  const [glyph, style] =
    check.isMet === null
      ? (['?', 'yellow'] as const)
      : check.isMet
        ? (['✓', 'green'] as const)
        : (['✗', 'red'] as const);
  const evidence =
    check.command === null
      ? 'not checked by a command'
      : `${oneLine(check.command)} → ${check.exitCode === null ? 'no exit code' : `exit ${check.exitCode}`}`;
  const lines = [
    `      ${paint(style, glyph)} ${clip(oneLine(check.text), columns - 8)}`,
    `        ${paint('dim', clip(evidence, columns - 8))}`,
  ];
  if (check.isMet !== false) return lines;
  const tail = safeText(check.output.trimEnd()).split('\n').slice(-5);
  return [
    ...lines,
    ...tail.filter((line) => line !== '').map((line) => `        ${paint('dim', clip(line, columns - 8))}`),
  ];
}

/** `3,200 tokens in, 410 out · cost unknown`. */
export function usageText(usage: Usage): string {
  const read = usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;
  const number = (n: number): string => n.toLocaleString('en-US');
  const by = usage.pricedBy === undefined ? '' : ` (prices: ${usage.pricedBy})`;
  return `${number(read)} tokens in, ${number(usage.outputTokens)} out · cost ${cost(usage.costUsd)}${by}`;
}

/** The end of a request, for people. `path` is the project's directory; null: nobody will want to merge there. */
export function resultLines(detail: RequestDetail, path: string | null, now: number, page: Page): string[] {
  const { request } = detail;
  const { paint, columns } = page;
  const tasks = inPlanOrder(detail.tasks);
  const { result } = request;
  const isWaiting = request.state === 'running' && tasks.some((task) => task.state === 'waiting');
  const state = isWaiting ? 'waits for you' : request.state;
  const isDone = request.state === 'done';
  const isUnderWay = !isWaiting && !isRequestOver(request.state);
  const [glyph, style] = isDone
    ? (['✓', 'green'] as const)
    : isUnderWay
      ? (['…', 'cyan'] as const)
      : (['✗', 'red'] as const);
  const head = `${paint(style, glyph)} ${clip(oneLine(request.text), Math.min(columns - 20, 100))}  ${state}`;
  const files = result?.filesChanged ?? [];
  return [
    head,
    ...(isDone || request.cause === null
      ? []
      : wrap(oneLine(request.failure?.message ?? request.cause), columns - 2).map((l) => `  ${l}`)),
    '',
    ...tasks.flatMap((task) => taskResultLines(task, tasks, page)),
    ...(files.length > 0
      ? ['', plural(files.length, 'file changed', 'files changed'), ...fileLines(files, page).map((l) => `  ${l}`)]
      : []),
    ...branchLines(detail, path, page),
    '',
    `${usageText(request.usage)} · ${duration((request.endedAt ?? now) - request.createdAt)}`,
    ...decisionLines(tasks, request, page),
  ];
}

function branchLines({ request, merge }: RequestDetail, path: string | null, { paint }: Page): string[] {
  const { result } = request;
  if (path === null || result === null || result.branch === null) return [];
  if (merge?.state === 'merged') return ['', `Merged into ${paint('bold', merge.target)}: ${merge.cause ?? ''}.`];
  const queue = merge ? [`In the merge queue: ${merge.state} (gantry explain ${merge.id}).`] : [];
  return [
    '',
    ...queue,
    `On branch ${paint('bold', result.branch)}; your own branch was not touched.`,
    `To read the work: gantry diff ${request.id}`,
    `To take the work over: git -C ${quoted(path)} merge ${result.branch}`,
  ];
}

function decisionLines(tasks: readonly Task[], request: Request, { paint }: Page): string[] {
  const waiting = tasks.filter((task) => task.state === 'waiting');
  if (waiting.length > 0 && request.state === 'running') {
    return waiting.flatMap((task) => [
      '',
      paint('yellow', `${task.label} waits for your decision:`),
      `  gantry retry ${task.id}`,
      `  gantry cancel ${task.id}`,
    ]);
  }
  if (request.state === 'failed' || request.state === 'cancelled') {
    return ['', `Why:    gantry explain ${request.id}`, `Again:  gantry retry ${request.id}`];
  }
  return [];
}

/** A word for a POSIX shell. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

export const inPlanOrder = (tasks: readonly Task[]): Task[] => [...tasks].sort((a, b) => a.position - b.position);

const planJson = (plan: Plan | null): unknown =>
  plan && {
    source: plan.source,
    ...(plan.fallbackReason !== null && { fallbackReason: plan.fallbackReason, fallbackDetail: plan.fallbackDetail }),
    ...(plan.reply !== null && { reply: plan.reply }),
    notices: plan.notices,
    tasks: plan.tasks,
  };

/** The document of `gantry plan --json`. */
export const planDocument = ({ id, plan }: Request): unknown => ({
  requestId: id,
  plan: planJson(plan),
  usage: plan?.usage ?? null,
});

/** The document of `gantry run --json` (surface.md names its fields). */
export function requestDocument(detail: RequestDetail, now: number): Record<string, unknown> {
  const { request } = detail;
  return {
    requestId: request.id,
    state: request.state,
    cause: request.cause,
    failure: request.failure,
    plan: planJson(request.plan),
    tasks: inPlanOrder(detail.tasks).map((task) => ({
      id: task.id,
      label: task.label,
      title: task.title,
      state: task.state,
      cause: task.cause,
      failure: task.failure,
      agent: task.agent,
      backend: task.backend,
      attempts: task.attempts,
      commit: task.result?.commit ?? null,
      filesChanged: task.result?.filesChanged ?? [],
      summary: task.result?.summary ?? null,
      checks: task.result?.checks ?? [],
      usage: task.usage,
    })),
    result: request.result,
    usage: request.usage,
    durationMs: (request.endedAt ?? now) - request.createdAt,
  };
}
