import { z } from 'zod';
import { Failure } from './failure.ts';
import { AgentAddress, AttemptId, BackendId, ProjectId, RequestId, TaskId } from './ids.ts';
import { BudgetSize, FileChange, PlanSource, SuccessCriterion } from './request.ts';
import { Usage } from './usage.ts';

/**
 * blocked: waits for other tasks · ready: may be given out · deferred: waits for a time (back-off, quota) ·
 * assigned: an attempt exists, its session not yet · working: the first prompt was accepted ·
 * verifying: the agent said done, Gantry checks · waiting: a person must decide (retry or cancel).
 */
export const TaskState = z.enum([
  'blocked',
  'ready',
  'deferred',
  'assigned',
  'working',
  'verifying',
  'waiting',
  'done',
  'failed',
  'cancelled',
]);
export type TaskState = z.infer<typeof TaskState>;

export const TASK_MOVES: Readonly<Record<TaskState, readonly TaskState[]>> = {
  blocked: ['ready', 'cancelled'],
  ready: ['assigned', 'blocked', 'cancelled', 'deferred', 'waiting'],
  deferred: ['ready', 'cancelled'],
  assigned: ['working', 'ready', 'deferred', 'waiting', 'failed', 'cancelled'],
  working: ['verifying', 'ready', 'deferred', 'waiting', 'failed', 'cancelled'],
  verifying: ['done', 'working', 'ready', 'deferred', 'waiting', 'failed', 'cancelled'],
  waiting: ['ready', 'failed', 'cancelled'],
  done: [],
  failed: ['ready', 'blocked'],
  cancelled: ['ready', 'blocked'],
};

export const isTaskOver = (state: TaskState): boolean =>
  state === 'done' || state === 'failed' || state === 'cancelled';
/** Has a live attempt. */
export const isTaskActive = (state: TaskState): boolean =>
  state === 'assigned' || state === 'working' || state === 'verifying';

/** One check of a success criterion; `isMet` null means that nothing could check it. */
export const Check = z.object({
  text: z.string(),
  command: z.string().nullable(),
  isMet: z.boolean().nullable(),
  exitCode: z.number().int().nullable(),
  /** The end of the command's output, or the reason why it was not run. */
  output: z.string(),
  durationMs: z.number(),
});
export type Check = z.infer<typeof Check>;

export const TaskResult = z.object({
  summary: z.string(),
  commit: z.string().nullable(),
  branch: z.string(),
  filesChanged: z.array(FileChange),
  checks: z.array(Check),
});
export type TaskResult = z.infer<typeof TaskResult>;

/**
 * The exit code that a task ended with: of the agent's own program if that ended by itself, of the first check that was not
 * met, or 0 of checks that all were. Null where no program's end decided.
 */
export function exitCodeOf({ state, failure, result }: Task): number | null {
  if (state === 'failed') return failure?.exitCode ?? null;
  return state === 'done' && result?.checks.some(({ exitCode }) => exitCode === 0) ? 0 : null;
}

export const Task = z.object({
  id: TaskId,
  requestId: RequestId,
  projectId: ProjectId,
  /** The plan's name for it (T1). */
  label: z.string(),
  title: z.string(),
  description: z.string(),
  files: z.array(z.string()),
  successCriteria: z.array(SuccessCriterion),
  budget: BudgetSize,
  dependsOn: z.array(TaskId),
  role: z.string(),
  backend: BackendId,
  model: z.string().nullable(),
  source: PlanSource,
  /** 0 is most urgent; people set 0 to 4, callers of the task server 0 to 9. */
  priority: z.number().int().min(0).max(9),
  /** Position in the plan. */
  position: z.number().int(),
  state: TaskState,
  /** Why it is in this state, in words: what `gantry explain` prints. */
  cause: z.string().nullable(),
  /** The live or last attempt. */
  attemptId: AttemptId.nullable(),
  attempts: z.number().int().nonnegative(),
  /** Attempts made when a person last asked for a retry: the cap counts from here. */
  attemptsBase: z.number().int().nonnegative(),
  /** deferred until, ms. */
  notBefore: z.number().nullable(),
  agent: AgentAddress.nullable(),
  /** Who is to do it; null: any agent of its role. */
  target: AgentAddress.nullable(),
  failure: Failure.nullable(),
  result: TaskResult.nullable(),
  usage: Usage,
  createdAt: z.number(),
  updatedAt: z.number(),
  endedAt: z.number().nullable(),
});
export type Task = z.infer<typeof Task>;
