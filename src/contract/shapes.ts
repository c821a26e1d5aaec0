import { z } from 'zod';
import { Agent } from './agent.ts';
import { Approval, Grant } from './approval.ts';
import { Attempt } from './attempt.ts';
import { CONFIG_LAYERS } from './config.ts';
import { CallerId } from './delegation.ts';
import { Failure } from './failure.ts';
import { AgentAddress, BackendId, SessionId } from './ids.ts';
import { Merge } from './merge.ts';
import { Message } from './message.ts';
import { Project } from './project.ts';
import { Request, RequestOptions } from './request.ts';
import { Activity, Session } from './session.ts';
import { Task } from './task.ts';
import { Usage } from './usage.ts';

/** What a token may do. `admin` may do everything; each other scope only its own operations. */
export const Scope = z.enum(['admin', 'operate', 'approve', 'ingest', 'read', 'node']);
export type Scope = z.infer<typeof Scope>;

/** `read` is contained in operate and approve; admin contains all. */
export const SCOPES_THAT_SATISFY: Readonly<Record<Scope, readonly Scope[]>> = {
  admin: ['admin'],
  operate: ['operate', 'admin'],
  approve: ['approve', 'admin'],
  ingest: ['ingest', 'operate', 'admin'],
  read: ['read', 'operate', 'approve', 'admin'],
  // Offers a machine as a host, and may do nothing else: not even read.
  node: ['node', 'admin'],
};

export const RequestDetail = z.object({
  request: Request,
  tasks: z.array(Task),
  attempts: z.array(Attempt),
  approvals: z.array(Approval),
  /** Its way through the merge queue; null if it never joined. */
  merge: Merge.nullable(),
});
export type RequestDetail = z.infer<typeof RequestDetail>;

export const BackendStatus = z.object({
  id: BackendId,
  isInstalled: z.boolean(),
  version: z.string().nullable(),
  executable: z.string().nullable(),
  problem: z.string().nullable(),
  notices: z.array(z.string()),
  capabilities: z.record(z.string(), z.boolean()),
});
export type BackendStatus = z.infer<typeof BackendStatus>;

export const DaemonStatus = z.object({
  version: z.string(),
  pid: z.number(),
  startedAt: z.number(),
  url: z.string(),
  home: z.string(),
  node: z.string(),
  seq: z.number(),
  storeBytes: z.number(),
  rssBytes: z.number(),
  requests: z.record(z.string(), z.number()),
  tasks: z.record(z.string(), z.number()),
  pendingApprovals: z.number(),
  alerts: z.array(z.object({ key: z.string(), text: z.string() })),
});
export type DaemonStatus = z.infer<typeof DaemonStatus>;

/** The session's state while there is one, else the agent's; `error` is a backend's that fails. */
/** `attached`: a person has its conversation. */
export const AgentRowState = z.enum([
  'starting',
  'running',
  'attached',
  'paused',
  'stopping',
  'lost',
  'idle',
  'stopped',
  'error',
]);
export type AgentRowState = z.infer<typeof AgentRowState>;

export const AgentRow = z.object({
  backend: z.string(),
  role: z.string(),
  name: z.string(),
  project: z.string(),
  state: AgentRowState,
  /** What the session does; null without a session. */
  activity: Activity.nullable(),
  task: z.string().nullable(),
  request: z.string().nullable(),
  agent: z.string().nullable(),
  session: z.string().nullable(),
  model: z.string().nullable(),
  workspace: z.string().nullable(),
  host: z.string().nullable(),
  /** ms since the agent was made. */
  age: z.number().nullable(),
  /** ms, the last event of its session; null if there was none. */
  last: z.number().nullable(),
  /** USD; null is unknown. */
  cost: z.number().nullable(),
  error: z.string().nullable(),
});
export type AgentRow = z.infer<typeof AgentRow>;

export const ViewSnapshot = z.object({
  seq: z.number(),
  projects: z.array(Project),
  requests: z.array(Request),
  tasks: z.array(Task),
  attempts: z.array(Attempt),
  sessions: z.array(Session),
  agents: z.array(Agent),
  approvals: z.array(Approval),
  grants: z.array(Grant),
  messages: z.array(Message),
  merges: z.array(Merge),
  alerts: z.array(z.object({ key: z.string(), text: z.string() })),
});
export type ViewSnapshot = z.infer<typeof ViewSnapshot>;

export const DoctorCheck = z.object({
  name: z.string(),
  status: z.enum(['ok', 'problem', 'notice']),
  detail: z.string(),
  /** What to do, in one line; null if nothing. */
  repair: z.string().nullable(),
});
export type DoctorCheck = z.infer<typeof DoctorCheck>;

export const ConfigValue = z.object({
  key: z.string(),
  value: z.unknown(),
  layer: z.enum(CONFIG_LAYERS),
  source: z.string(),
});
export type ConfigValue = z.infer<typeof ConfigValue>;

export const SubmitInput = z.object({
  text: z.string().min(1).max(1_000_000),
  /** A registered project's name or id, or an absolute path (registered then). */
  project: z.string().min(1),
  /** Start from HEAD though tracked files have uncommitted changes, which agents will not see. */
  isDirtyAllowed: z.boolean().default(false),
  options: RequestOptions.partial().strict().default({}),
});

export const PlanPreview = z.object({
  /** The planner's own model, the model of a backend, or nobody: planning is off. */
  by: z.enum(['model', 'backend', 'nobody']),
  model: z.string().nullable(),
  /** null unless one plans. */
  backend: BackendId.nullable(),
  maxTasks: z.number().int(),
  timeoutMs: z.number(),
  system: z.string(),
  user: z.string(),
});

export const ExecResult = z.object({
  sessionId: SessionId,
  state: z.enum(['running', 'done', 'failed']),
  content: z.string().nullable(),
  nativeId: z.string().nullable(),
  failure: Failure.nullable(),
  usage: Usage,
});
export type ExecResult = z.infer<typeof ExecResult>;

export const TokenInfo = z.object({
  id: z.string(),
  name: z.string(),
  scope: Scope,
  agent: AgentAddress.nullable(),
  /** The callers that it may delegate tasks for; null: not bound. */
  callers: z.array(CallerId).nullable().default(null),
  /** The only source_app that it reports events for; null: any. */
  sourceApp: z.string().nullable().default(null),
  createdAt: z.number(),
  expiresAt: z.number().nullable(),
  lastUsedAt: z.number().nullable(),
});
export type TokenInfo = z.infer<typeof TokenInfo>;

/** An RFC 9457 problem document with Gantry's code. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string(),
  /** What was wrong where, for bad input. */
  issues: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  /** Further facts about the error, by code. */
  details: z.record(z.string(), z.unknown()).optional(),
});
export type Problem = z.infer<typeof Problem>;
