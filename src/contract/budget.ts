import { z } from 'zod';
import { ProjectId, RequestId, TaskId } from './ids.ts';

/** A limit that holds now: what it is, what was spent of it, and what running work may still take. */
export const BudgetRow = z.object({
  /** Names the limit for a raise: `request:req_…:usd`, `day:2026-01-31:tokens`. */
  key: z.string(),
  scope: z.enum(['day', 'project', 'role', 'request', 'task']),
  /** The project's or role's name, the request's or task's words; null for the day. */
  name: z.string().nullable(),
  projectId: ProjectId.nullable(),
  requestId: RequestId.nullable(),
  taskId: TaskId.nullable(),
  /** US dollars, tokens, ms, attempts. */
  kind: z.enum(['usd', 'tokens', 'time', 'attempts']),
  /** With what a person raised it by. */
  limit: z.number(),
  spent: z.number(),
  reserved: z.number(),
});
export type BudgetRow = z.infer<typeof BudgetRow>;
