import { z } from 'zod';
import { AgentAddress, BackendId, SessionId } from './ids.ts';
import type { Operation } from './operation.ts';

const text = z.string().min(1).max(300);

/** An agent after its start: it has a session, with or without a task. */
export const StartedAgent = z.object({
  agent: AgentAddress,
  state: z.string(),
  /** `new session`, `resumed session`, `new session: …` with the reason, or that it was there already. */
  cause: z.string(),
  backend: BackendId,
  model: z.string().nullable(),
  sessionId: SessionId,
  nativeId: z.string().nullable(),
  workspace: z.string(),
  /** Of its worktree; null for an agent of the whole plane. */
  branch: z.string().nullable(),
  notices: z.array(z.string()),
});
export type StartedAgent = z.infer<typeof StartedAgent>;

/** What a stop left. */
export const StoppedAgent = z.object({
  agent: AgentAddress,
  state: z.string(),
  cause: z.string(),
  /** Of its program; both null if it had none, or shares one that goes on. */
  exitCode: z.number().nullable(),
  signal: z.string().nullable(),
  /** Pids that the system would not end. */
  survivors: z.array(z.number()),
  /** Its directory, if it is still there. */
  workspace: z.string().nullable(),
  /** What only the workspace holds: files that are not committed, a branch that is merged nowhere. */
  unsaved: z.array(z.string()),
});
export type StoppedAgent = z.infer<typeof StoppedAgent>;

export const LIFE_OPERATIONS = {
  'agents.start': {
    method: 'POST',
    path: '/api/v1/agents/start',
    scope: 'operate',
    summary: 'Give an agent a session without a task: it stands by for messages. A stopped one goes on',
    status: 200,
    input: z.object({
      /** An address, a short form of a known one, a role that has one agent, or the name of a new agent. */
      agent: text,
      project: z.string().min(1).optional(),
      /** Where it was called from: the project, if none is named and one is needed. Absolute. */
      directory: z.string().min(1).optional(),
      role: text.optional(),
      backend: BackendId.optional(),
      model: z.string().optional(),
    }),
    output: StartedAgent,
  },
  'agents.stop': {
    method: 'POST',
    path: '/api/v1/agents/stop',
    scope: 'operate',
    summary: 'End the session of an agent, with all that it started; work that is saved nowhere else is kept and named',
    status: 200,
    input: z.object({ agent: text, reason: z.string().min(1).max(1000).optional() }),
    output: StoppedAgent,
  },
} as const satisfies Record<string, Operation>;
