import { z } from 'zod';
import { StoredPrompt } from './attempt.ts';
import { AgentAddress, AttemptId, BackendId, ProjectId, SessionId, TaskId } from './ids.ts';

/** The conversation that an agent has also without a task, and where it works. */
export const Standing = z.object({
  sessionId: SessionId,
  workspace: z.string(),
  /** Of its worktree; null for an agent of the whole plane, which has a plain directory. */
  branch: z.string().nullable(),
  baseCommit: z.string().nullable(),
  /** Stored or given, and not over yet. */
  prompts: z.array(StoredPrompt),
  /** The native session that its own is still to be made a fork of. */
  forkOf: z.string().nullable().default(null),
  /** What its next prompt begins with: what went before, where the conversation does not know it. */
  note: z.string().nullable(),
  /** Kept ready for the next task that it fits, and told nothing before: how it was made, and the attempt that it will be. */
  warm: z.object({ key: z.string(), attemptId: AttemptId }).nullable().default(null),
});
export type Standing = z.infer<typeof Standing>;

/** Its conversation is a person's alone for now: Gantry neither opens it nor speaks in it. */
export const Lent = z.object({ sessionId: SessionId, to: z.string(), at: z.number() });
export type Lent = z.infer<typeof Lent>;

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
  /** Set from its start until it is stopped: it then has a session also without a task. */
  standing: Standing.nullable().default(null),
  /** Set before Gantry lets go of it, until it has it back. */
  lent: Lent.nullable().default(null),
  createdAt: z.number(),
  updatedAt: z.number(),
});
export type Agent = z.infer<typeof Agent>;
