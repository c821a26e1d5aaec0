import { z } from 'zod';
import { Failure } from './failure.ts';
import { AgentAddress, AttemptId, BackendId, SessionId } from './ids.ts';
import { Usage } from './usage.ts';

export const SessionState = z.enum(['starting', 'running', 'paused', 'stopping', 'stopped', 'failed', 'lost']);
export type SessionState = z.infer<typeof SessionState>;

export const SESSION_MOVES: Readonly<Record<SessionState, readonly SessionState[]>> = {
  starting: ['running', 'paused', 'stopping', 'stopped', 'failed', 'lost'],
  running: ['paused', 'stopping', 'stopped', 'failed', 'lost', 'starting'],
  paused: ['running', 'stopping', 'stopped', 'failed', 'lost', 'starting'],
  stopping: ['stopped', 'failed', 'lost'],
  stopped: [],
  failed: [],
  lost: ['starting', 'failed', 'stopped'],
};

/** From protocol events only; no evidence is `unknown`, never a guess. */
export const Activity = z.enum([
  'idle',
  'busy',
  'waiting-approval',
  'waiting-answer',
  'waiting-quota',
  'compacting',
  'stuck',
  'unknown',
]);
export type Activity = z.infer<typeof Activity>;

export const Session = z.object({
  id: SessionId,
  backend: BackendId,
  /** The agent program's own id; null until it has one. */
  nativeId: z.string().nullable(),
  /** What the session is for: a task's attempt, the planner, a person's single prompt, or an agent without a task. */
  purpose: z.enum(['attempt', 'planner', 'exec', 'standing']),
  attemptId: AttemptId.nullable(),
  agent: AgentAddress.nullable(),
  directory: z.string(),
  host: z.string(),
  model: z.string().nullable(),
  state: SessionState,
  activity: Activity,
  cause: z.string().nullable(),
  failure: Failure.nullable(),
  usage: Usage,
  lastEventAt: z.number(),
  createdAt: z.number(),
  updatedAt: z.number(),
  endedAt: z.number().nullable(),
});
export type Session = z.infer<typeof Session>;

export const isSessionOver = (state: SessionState): state is 'stopped' | 'failed' =>
  state === 'stopped' || state === 'failed';

/** An item of a conversation, the same for every backend. Unknown parts are kept as `raw`. */
export const TranscriptItem = z.discriminatedUnion('type', [
  z.object({ type: z.literal('user'), id: z.string(), at: z.number().nullable(), text: z.string() }),
  z.object({ type: z.literal('text'), id: z.string(), at: z.number().nullable(), text: z.string() }),
  z.object({ type: z.literal('reasoning'), id: z.string(), at: z.number().nullable(), text: z.string() }),
  z.object({
    type: z.literal('tool'),
    id: z.string(),
    at: z.number().nullable(),
    tool: z.string(),
    input: z.unknown(),
    output: z.string().nullable(),
    status: z.enum(['running', 'completed', 'error', 'interrupted']),
  }),
  z.object({ type: z.literal('error'), id: z.string(), at: z.number().nullable(), text: z.string() }),
  z.object({ type: z.literal('raw'), id: z.string(), at: z.number().nullable(), value: z.unknown() }),
]);
export type TranscriptItem = z.infer<typeof TranscriptItem>;
