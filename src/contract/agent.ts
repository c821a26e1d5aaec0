import { z } from 'zod';
import { AgentAddress, AttemptId, BackendId, ProjectId, SessionId, TaskId } from './ids.ts';

/** A stable worker identity: outlives its sessions. Its state is derived from its session and task. */
export const Agent = z.object({
  /** The address is the identity. */
  id: AgentAddress,
  /** Null for an agent of the whole plane. */
  projectId: ProjectId.nullable(),
  role: z.string(),
  name: z.string(),
  backend: BackendId,
  model: z.string().nullable(),
  state: z.enum(['idle', 'working', 'stopped']),
  taskId: TaskId.nullable(),
  attemptId: AttemptId.nullable(),
  sessionId: SessionId.nullable(),
  createdAt: z.number(),
  updatedAt: z.number(),
});
export type Agent = z.infer<typeof Agent>;
