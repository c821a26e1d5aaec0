import { z } from 'zod';
import { Approval } from './approval.ts';
import { AgentAddress, BackendId, SessionId, TaskId } from './ids.ts';
import { Message } from './message.ts';
import type { Operation } from './operation.ts';
import { TranscriptItem } from './session.ts';
import { AgentRow } from './shapes.ts';

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

/** An agent after a hand-over to another agent program. */
export const HandedOver = z.object({
  agent: AgentAddress,
  /** Null if it stands by without one. */
  taskId: TaskId.nullable(),
  from: BackendId,
  backend: BackendId,
  model: z.string().nullable(),
  /** What the first prompt there begins with. */
  note: z.string(),
  notices: z.array(z.string()),
});
export type HandedOver = z.infer<typeof HandedOver>;

/** A part of what an agent should know, and why it is there. */
export const PrimePart = z.object({ title: z.string(), text: z.string(), why: z.string() });
export type PrimePart = z.infer<typeof PrimePart>;

export const Prime = z.object({
  agent: AgentAddress,
  taskId: TaskId.nullable(),
  text: z.string(),
  parts: z.array(PrimePart),
});
export type Prime = z.infer<typeof Prime>;

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
  'agents.fork': {
    method: 'POST',
    path: '/api/v1/agents/fork',
    scope: 'operate',
    summary: 'A new agent that stands by with a copy of another one’s conversation, in a worktree of its own',
    status: 200,
    input: z.object({
      agent: text,
      /** Of the new agent; without it the other’s, with `-fork`. */
      name: text.optional(),
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
  'agents.handoff': {
    method: 'POST',
    path: '/api/v1/agents/handoff',
    scope: 'operate',
    summary:
      'Give an agent, with its task and workspace, to another agent program or a new session, which begins with a note of what was done',
    status: 202,
    input: z.object({
      agent: text,
      /** Without one: a new session, with an empty context, of the program that it is on. */
      backend: BackendId.optional(),
      model: z.string().optional(),
      note: z.string().min(1).max(20_000).optional(),
    }),
    output: HandedOver,
  },
  'agents.peek': {
    method: 'GET',
    path: '/api/v1/agents/peek',
    scope: 'read',
    summary: 'What an agent does now and said last; it is not disturbed, and nothing counts as read',
    status: 200,
    input: z.object({ agent: text, limit: z.coerce.number().int().min(1).max(1000).default(20) }),
    output: z.object({
      row: AgentRow,
      /** The newest, also one that is over. */
      sessionId: SessionId.nullable(),
      items: z.array(TranscriptItem),
      /** What it waits for. */
      approvals: z.array(Approval),
      /** Not yet given to it. */
      messages: z.array(Message),
    }),
  },
  'agents.attach': {
    method: 'POST',
    path: '/api/v1/agents/attach',
    scope: 'admin',
    summary:
      'The command that opens a person’s view of an agent’s live conversation, with the access that it needs; where the program cannot share it, Gantry lets go of it until the person leaves',
    status: 200,
    input: z.object({
      agent: text,
      /** Also in the middle of a turn, which is broken off, where it cannot be shared. */
      isInterrupting: z.boolean().default(false),
    }),
    output: z.object({
      agent: AgentAddress,
      command: z.array(z.string()).min(1),
      /** Added to the person's own; holds the access. */
      env: z.record(z.string(), z.string()),
      directory: z.string(),
      /** The person has it alone, and what is sent to the agent waits until they leave. */
      isAlone: z.boolean(),
    }),
  },
  'agents.prime': {
    method: 'GET',
    path: '/api/v1/agents/prime',
    scope: 'read',
    isForAgents: true,
    summary: 'What an agent should know at its start: who it is, its role, task, hand-over and unread messages',
    status: 200,
    input: z.object({ agent: text.optional() }),
    output: Prime,
  },
} as const satisfies Record<string, Operation>;
