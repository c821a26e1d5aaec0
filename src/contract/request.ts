import { z } from 'zod';
import { Delegation } from './delegation.ts';
import { Failure } from './failure.ts';
import { BackendId, ProjectId, RequestId } from './ids.ts';
import { Isolation } from './isolation.ts';
import { Usage } from './usage.ts';

export const BudgetSize = z.enum(['small', 'medium', 'large']);
export type BudgetSize = z.infer<typeof BudgetSize>;

/** A condition for "done". With a command it is checked by running it (exit 0 = met); without one it stays a claim. */
export const SuccessCriterion = z.object({ text: z.string().min(1), command: z.string().min(1).nullable() });
export type SuccessCriterion = z.infer<typeof SuccessCriterion>;

export const FallbackReason = z.enum([
  'no_model',
  'no_key',
  'auth',
  'quota',
  'timeout',
  'unreachable',
  'empty',
  'no_json',
  'not_a_plan',
  'no_tasks',
  'invalid_graph',
  'backend',
]);
export type FallbackReason = z.infer<typeof FallbackReason>;

/** Who made a plan: the planner's model, the fallback when that failed, or whoever gave one task and asked for no planning. */
export const PlanSource = z.enum(['model', 'fallback', 'caller']);

/** A task as the planner wrote it, checked: `id` is the plan's label (T1), not the task's own id. */
export const PlannedTask = z.object({
  id: z.string().regex(/^[\w.-]{1,40}$/),
  title: z.string().min(1).max(120),
  description: z.string().min(1),
  files: z.array(z.string()),
  successCriteria: z.array(SuccessCriterion),
  budget: BudgetSize,
  dependsOn: z.array(z.string()),
  role: z.string().nullable(),
  source: PlanSource,
});
export type PlannedTask = z.infer<typeof PlannedTask>;

export const Plan = z.object({
  source: PlanSource,
  fallbackReason: FallbackReason.nullable(),
  /** The cause in words, with a hint; null unless `source` is fallback. */
  fallbackDetail: z.string().nullable(),
  /** What the checks changed or dropped, in words. */
  notices: z.array(z.string()),
  tasks: z.array(PlannedTask),
  /** The planner's answer when the request was no work: nothing is run then. */
  reply: z.string().nullable(),
  usage: Usage,
});
export type Plan = z.infer<typeof Plan>;

export const RequestState = z.enum(['planning', 'planned', 'running', 'paused', 'done', 'failed', 'cancelled']);
export type RequestState = z.infer<typeof RequestState>;

export const REQUEST_MOVES: Readonly<Record<RequestState, readonly RequestState[]>> = {
  planning: ['planned', 'running', 'paused', 'done', 'failed', 'cancelled'],
  planned: ['running', 'cancelled'],
  running: ['paused', 'done', 'failed', 'cancelled'],
  paused: ['running', 'planning', 'cancelled'],
  done: [],
  failed: ['running'],
  cancelled: ['running'],
};

export const FileChange = z.object({
  path: z.string(),
  status: z.enum(['added', 'modified', 'deleted', 'renamed']),
  additions: z.number().int().nullable(),
  deletions: z.number().int().nullable(),
});
export type FileChange = z.infer<typeof FileChange>;

/** `queue`: joins the merge queue when it is done; `local`: stays on its branch. */
export const MergeMode = z.enum(['queue', 'local']);
export type MergeMode = z.infer<typeof MergeMode>;

/** What a user asked for when submitting; the choices that flags make. */
export const RequestOptions = z.object({
  backend: BackendId.nullable(),
  model: z.string().nullable(),
  role: z.string().nullable(),
  maxParallel: z.number().int().min(1).max(64),
  /** For each attempt, ms. */
  timeoutMs: z.number().int().positive(),
  budgetUsd: z.number().positive().nullable(),
  maxTasks: z.number().int().min(1).max(20),
  /** Plan only: nothing is run until the request is carried out. */
  isPlanOnly: z.boolean(),
  /** One task made of the request itself, no planner call. */
  isSingleTask: z.boolean(),
  /** A turn of the project's conversation: the planner is told of the earlier ones. */
  isConversation: z.boolean().default(false),
  /** Null: as configured. */
  merge: MergeMode.nullable().default(null),
  /** At least that; null: as configured. */
  isolation: Isolation.nullable().default(null),
});
export type RequestOptions = z.infer<typeof RequestOptions>;

export const RequestResult = z.object({
  summary: z.string(),
  /** The branch in the user's repository that holds the collected work; null if nothing was changed. */
  branch: z.string().nullable(),
  commit: z.string().nullable(),
  filesChanged: z.array(FileChange),
});
export type RequestResult = z.infer<typeof RequestResult>;

export const Request = z.object({
  id: RequestId,
  projectId: ProjectId,
  text: z.string().min(1),
  state: RequestState,
  /** Why it is in this state, in words. */
  cause: z.string().nullable(),
  options: RequestOptions,
  plan: Plan.nullable(),
  /** The commit that every task without dependencies starts from. */
  baseCommit: z.string(),
  /** `gantry/<id>`: verified work is collected here. */
  branch: z.string(),
  failure: Failure.nullable(),
  result: RequestResult.nullable(),
  usage: Usage,
  createdBy: z.string(),
  /** Set if another program handed it over as one task. */
  delegation: Delegation.nullable().default(null),
  createdAt: z.number(),
  updatedAt: z.number(),
  endedAt: z.number().nullable(),
});
export type Request = z.infer<typeof Request>;

export const isRequestOver = (state: RequestState): boolean =>
  state === 'done' || state === 'failed' || state === 'cancelled';
