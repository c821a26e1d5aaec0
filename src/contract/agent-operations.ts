import { z } from 'zod';
import { AgentAddress, AttemptId, BackendId, ProjectId, RequestId, SessionId, TaskId } from './ids.ts';
import { Isolation } from './isolation.ts';
import type { Operation } from './operation.ts';
import { MergeMode } from './request.ts';
import { Activity } from './session.ts';
import { AgentRow, AgentRowState } from './shapes.ts';

const name = z.string().regex(/^[\w.-]{1,40}$/, '1 to 40 letters, digits, dots and dashes');

/** Where a task went. `queued`: nothing is free for it now; `dry-run`: nothing was done. */
export const Assignment = z.object({
  state: z.enum(['assigned', 'queued', 'blocked', 'unchanged', 'dry-run']),
  /** Why, in words. */
  cause: z.string(),
  taskId: TaskId.nullable(),
  requestId: RequestId.nullable(),
  project: z.string(),
  role: z.string(),
  backend: BackendId,
  model: z.string().nullable(),
  agent: AgentAddress.nullable(),
  attemptId: AttemptId.nullable(),
  sessionId: SessionId.nullable(),
  nativeId: z.string().nullable(),
  workspace: z.string().nullable(),
  branch: z.string().nullable(),
  host: z.string().nullable(),
  /** In the queue, from 1. */
  position: z.number().nullable(),
  notices: z.array(z.string()),
});
export type Assignment = z.infer<typeof Assignment>;

/** A task that waits: `position` counts those that only wait for a place. */
export const QueueRow = z.object({
  position: z.number().nullable(),
  taskId: TaskId,
  requestId: RequestId,
  title: z.string(),
  project: z.string(),
  role: z.string(),
  backend: BackendId,
  priority: z.number(),
  state: z.string(),
  /** ms since it was made. */
  age: z.number(),
  reason: z.string(),
});
export type QueueRow = z.infer<typeof QueueRow>;

/** An emergency stop; `project` null is the whole plane. */
export const EmergencyStop = z.object({
  project: ProjectId.nullable(),
  reason: z.string(),
  by: z.string(),
  at: z.number(),
  /** Agents that go on. */
  keep: z.array(AgentAddress),
});
export type EmergencyStop = z.infer<typeof EmergencyStop>;

const stopped = z.object({ isChanged: z.boolean(), stops: z.array(EmergencyStop) });

export const AGENT_OPERATIONS = {
  'agents.list': {
    method: 'GET',
    path: '/api/v1/agents',
    scope: 'read',
    isForAgents: true,
    summary: 'Agents; a backend that fails is a row with its error',
    status: 200,
    input: z.object({
      backend: z.string().optional(),
      project: z.string().optional(),
      role: z.string().optional(),
      state: AgentRowState.optional(),
      activity: Activity.optional(),
      agent: z.string().optional(),
      node: z.string().optional(),
      task: z.string().optional(),
      request: z.string().optional(),
      /** Only those with an event since then, ms. */
      since: z.coerce.number().optional(),
    }),
    output: z.object({ items: z.array(AgentRow) }),
  },
  'tasks.sling': {
    method: 'POST',
    path: '/api/v1/sling',
    scope: 'operate',
    isForAgents: true,
    summary: 'Give one task, or a text that becomes one, to an agent; one is made if need be',
    status: 202,
    input: z.object({
      /** The id of a task, or what is to be done. */
      task: z.string().min(1).max(1_000_000),
      project: z.string().min(1),
      backend: BackendId.optional(),
      model: z.string().optional(),
      role: name.optional(),
      name: name.optional(),
      after: z.array(TaskId).max(100).default([]),
      priority: z.number().int().min(0).max(4).optional(),
      /** At least that; of a text only: a task has what its request was given. */
      isolation: Isolation.optional(),
      /** What becomes of the work when it is done; of a text only. */
      merge: MergeMode.optional(),
      /** The branch that the work starts from instead of what is checked out; of a text only. */
      baseBranch: z.string().min(1).max(255).optional(),
      /** Only a role that is read-only will do; default: that of the reviews. */
      isReviewOnly: z.boolean().default(false),
      isDryRun: z.boolean().default(false),
      isForced: z.boolean().default(false),
      isDirtyAllowed: z.boolean().default(false),
    }),
    output: Assignment,
  },
  'queue.list': {
    method: 'GET',
    path: '/api/v1/queue',
    scope: 'read',
    summary: 'Tasks that wait, in their order, and why each one does',
    status: 200,
    input: z.object({ project: z.string().optional() }),
    output: z.object({ items: z.array(QueueRow) }),
  },
  estop: {
    method: 'POST',
    path: '/api/v1/estop',
    scope: 'operate',
    summary:
      'Emergency stop: nothing starts, running turns end, contexts and workspaces are kept; it survives restarts',
    status: 200,
    input: z.object({
      project: z.string().optional(),
      reason: z.string().min(1).max(1000).default('no reason was given'),
      keep: z.array(z.string()).max(100).default([]),
    }),
    output: stopped,
  },
  thaw: {
    method: 'POST',
    path: '/api/v1/thaw',
    scope: 'operate',
    summary: 'End an emergency stop: the same tasks go on',
    status: 200,
    input: z.object({ project: z.string().optional() }),
    output: stopped,
  },
} as const satisfies Record<string, Operation>;
