import { z } from 'zod';

/** Who hands tasks over from outside: the `agent_id` of the MCP task server. */
export const CallerId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,128}$/, '1 to 128 letters, digits, underscores or dashes')
  .describe('A name of 1 to 128 letters, digits, underscores or dashes');
export type CallerId = z.infer<typeof CallerId>;

/** What a caller is told of the end: the bridges read it. */
export const NotifyChoice = z.enum(['always', 'async-only', 'failures', 'never']);
export type NotifyChoice = z.infer<typeof NotifyChoice>;

/** What makes a request a delegation: one task that another program handed over and follows from outside. */
export const Delegation = z.object({
  callerId: CallerId,
  /** People and rooms that the caller names; the bridges invite them. */
  observers: z.array(z.string().max(255)).max(100),
  notify: NotifyChoice,
  /** The caller waits for the answer in the same call. */
  isSync: z.boolean(),
  /** ms: not begun by then, it is given up. */
  queueUntil: z.number(),
  /** 0 is done first, 9 last. */
  priority: z.number().int().min(0).max(9),
});
export type Delegation = z.infer<typeof Delegation>;

export const DelegationStatus = z.enum(['queued', 'running', 'paused', 'completed', 'failed', 'timeout', 'cancelled']);
export type DelegationStatus = z.infer<typeof DelegationStatus>;

export const isDelegationOver = (status: DelegationStatus): boolean =>
  status === 'completed' || status === 'failed' || status === 'timeout' || status === 'cancelled';

/** What a message to a running task is about; it decides how it is delivered. */
export const NoteType = z.enum([
  'update',
  'feedback',
  'context_change',
  'requirement_change',
  'priority_change',
  'clarification',
  'correction',
  'guidance',
  'approval',
]);
export type NoteType = z.infer<typeof NoteType>;

export const TaskEventType = z.enum([
  'task_started',
  'task_progress',
  'task_completed',
  'task_failed',
  'task_timeout',
  'task_paused',
  'task_resumed',
  'task_cancelled',
  'task_control',
  'task_message',
  'task_feedback',
  'task_runtime_update',
]);
export type TaskEventType = z.infer<typeof TaskEventType>;

/** A fact about a delegation in the words that its caller reads. */
export const TaskEvent = z.object({
  seq: z.number(),
  /** ms */
  timestamp: z.number(),
  type: TaskEventType,
  message: z.string(),
  data: z.record(z.string(), z.unknown()),
});
export type TaskEvent = z.infer<typeof TaskEvent>;

/** A request's id as a task of the outside: it goes into labels and names of rooms, where underscores are rare. */
export const handleOf = (requestId: string): string => `task-${requestId.slice('req_'.length)}`;
export const requestOf = (handle: string): string => handle.replace(/^task-/, 'req_');
