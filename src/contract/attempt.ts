import { z } from 'zod';
import { Failure } from './failure.ts';
import { AgentAddress, AttemptId, BackendId, PromptId, RequestId, SessionId, TaskId } from './ids.ts';
import { Isolation } from './isolation.ts';
import { Usage } from './usage.ts';

export const AttemptState = z.enum([
  'starting',
  'working',
  'verifying',
  'done',
  'failed',
  'cancelled',
  'superseded',
  'lost',
]);
export type AttemptState = z.infer<typeof AttemptState>;

export const ATTEMPT_MOVES: Readonly<Record<AttemptState, readonly AttemptState[]>> = {
  starting: ['working', 'failed', 'cancelled', 'superseded', 'lost'],
  working: ['verifying', 'failed', 'cancelled', 'superseded', 'lost'],
  verifying: ['working', 'done', 'failed', 'cancelled', 'superseded', 'lost'],
  done: [],
  failed: [],
  cancelled: [],
  superseded: [],
  lost: [],
};

export const LIVE_ATTEMPT_STATES = ['starting', 'working', 'verifying'] as const satisfies readonly AttemptState[];

export const isAttemptLive = (state: AttemptState): boolean =>
  (LIVE_ATTEMPT_STATES as readonly AttemptState[]).includes(state);

/** A prompt is stored before it is sent: the same id and text are sent again after any doubt. */
export const StoredPrompt = z.object({
  id: PromptId,
  /** What the prompt is for: the task, evidence of a failed check, a message, a recovery. */
  kind: z.enum(['task', 'evidence', 'message', 'resume']),
  text: z.string(),
  state: z.enum(['stored', 'accepted', 'ended']),
  /** The backend's own ids for it, chosen before sending (OpenCode: message and part id). */
  native: z.record(z.string(), z.string()),
});
export type StoredPrompt = z.infer<typeof StoredPrompt>;

export const Attempt = z.object({
  id: AttemptId,
  taskId: TaskId,
  requestId: RequestId,
  number: z.number().int().positive(),
  /** Grows over all attempts of this store: what an older number says changes nothing. */
  fence: z.number().int().positive(),
  state: AttemptState,
  cause: z.string().nullable(),
  agent: AgentAddress,
  backend: BackendId,
  model: z.string().nullable(),
  sessionId: SessionId.nullable(),
  /** What its program, its setup and its checks run behind. */
  isolation: Isolation.default('process'),
  /** Absolute path of the worktree. */
  workspace: z.string(),
  branch: z.string(),
  baseCommit: z.string(),
  prompts: z.array(StoredPrompt),
  verifyRounds: z.number().int().nonnegative(),
  /** How often the session was brought back after its program or Gantry died. */
  resumes: z.number().int().nonnegative(),
  commit: z.string().nullable(),
  failure: Failure.nullable(),
  usage: Usage,
  /** The lease of this attempt, ms: renewed while its runner lives. */
  leaseUntil: z.number(),
  deadlineAt: z.number(),
  createdAt: z.number(),
  updatedAt: z.number(),
  endedAt: z.number().nullable(),
});
export type Attempt = z.infer<typeof Attempt>;
