import { z } from 'zod';
import { AGENT_OPERATIONS } from './agent-operations.ts';
import { Approval, Grant, GrantScope, PolicyVerdict } from './approval.ts';
import { Attempt } from './attempt.ts';
import { CallerId } from './delegation.ts';
import { DELEGATION_OPERATIONS } from './delegation-operations.ts';
import { Fact, FactClass } from './fact.ts';
import { HISTORY_OPERATIONS } from './history-operations.ts';
import { AgentAddress, ApprovalId, BackendId, ProjectId, RequestId, SessionId, TaskId } from './ids.ts';
import { MERGE_OPERATIONS } from './merge-operations.ts';
import { MESSAGE_OPERATIONS } from './message-operations.ts';
import { listOf, type Operation } from './operation.ts';
import { Project } from './project.ts';
import { Request, RequestState } from './request.ts';
import { SEARCH_OPERATIONS } from './search-operations.ts';
import { Session, TranscriptItem } from './session.ts';
import {
  BackendStatus,
  ConfigValue,
  DaemonStatus,
  DoctorCheck,
  ExecResult,
  RequestDetail,
  Scope,
  SubmitInput,
  TokenInfo,
  ViewSnapshot,
} from './shapes.ts';
import { Task, TaskState } from './task.ts';
import { UsageRow } from './usage-row.ts';
import { ProjectionStatus } from './webhook.ts';

const limit = z.coerce.number().int().min(1).max(1000).default(100);
const cursor = z.string().optional();
const page = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), nextCursor: z.string().nullable() });
/** An id of a request or a task: what control verbs act on. */
export const Controllable = z.union([RequestId, TaskId]);

const control = (verb: string, summary: string) =>
  ({
    method: 'POST',
    path: `/api/v1/things/:id/${verb}`,
    scope: 'operate',
    summary,
    status: 202,
    input: z.object({ id: Controllable, reason: z.string().max(1000).optional() }),
    output: z.object({ id: Controllable, state: z.string(), cause: z.string().nullable() }),
  }) as const;

/**
 * Every operation of the HTTP API. `:name` in a path is filled from the input; what is left of the input is the query of a
 * GET or DELETE and the JSON body of a POST. A row without a handler does not compile; client, OpenAPI page and MCP tools
 * derive from this table.
 */
export const OPERATIONS = {
  status: {
    method: 'GET',
    path: '/api/v1/status',
    scope: 'read',
    summary: 'The daemon: version, address, counts',
    status: 200,
    input: z.object({}),
    output: DaemonStatus,
  },
  shutdown: {
    method: 'POST',
    path: '/api/v1/shutdown',
    scope: 'admin',
    summary: 'Stop the daemon; running work is kept and goes on at the next start',
    status: 202,
    input: z.object({ cause: z.string().max(200).default('asked') }),
    output: z.object({ isStopping: z.literal(true) }),
  },
  view: {
    method: 'GET',
    path: '/api/v1/view',
    scope: 'read',
    summary: 'A snapshot of everything current; the stream goes on from its seq',
    status: 200,
    input: z.object({ requestId: RequestId.optional() }),
    output: ViewSnapshot,
  },
  'backends.list': {
    method: 'GET',
    path: '/api/v1/backends',
    scope: 'read',
    summary: 'Backends: installed, version, capabilities, problem',
    status: 200,
    input: z.object({}),
    output: z.object({ items: z.array(BackendStatus) }),
  },
  'projects.list': {
    method: 'GET',
    path: '/api/v1/projects',
    scope: 'read',
    summary: 'Registered projects',
    status: 200,
    input: z.object({}),
    output: z.object({ items: z.array(Project) }),
  },
  'projects.add': {
    method: 'POST',
    path: '/api/v1/projects',
    scope: 'operate',
    summary: 'Register a git repository; the same path again changes its name or trust',
    status: 200,
    input: z.object({
      path: z.string().min(1),
      name: Project.shape.name.optional(),
      isTrusted: z.boolean().optional(),
    }),
    output: Project,
  },
  'projects.remove': {
    method: 'DELETE',
    path: '/api/v1/projects/:project',
    scope: 'operate',
    summary: 'Forget a project; nothing on disk is touched',
    status: 200,
    input: z.object({ project: z.string() }),
    output: Project,
  },
  'requests.submit': {
    method: 'POST',
    path: '/api/v1/requests',
    scope: 'operate',
    summary: 'Submit a request: it is planned and carried out',
    status: 202,
    input: SubmitInput,
    output: Request,
  },
  'requests.list': {
    method: 'GET',
    path: '/api/v1/requests',
    scope: 'read',
    summary: 'Requests, newest first',
    status: 200,
    input: z.object({ state: listOf(RequestState), project: z.string().optional(), limit, cursor }),
    output: page(Request),
  },
  'requests.get': {
    method: 'GET',
    path: '/api/v1/requests/:id',
    scope: 'read',
    summary: 'A request with its plan, tasks and attempts',
    status: 200,
    input: z.object({ id: RequestId }),
    output: RequestDetail,
  },
  'requests.execute': {
    method: 'POST',
    path: '/api/v1/requests/:id/execute',
    scope: 'operate',
    summary: 'Carry out a request that was only planned',
    status: 202,
    input: z.object({ id: RequestId }),
    output: Request,
  },
  'requests.diff': {
    method: 'GET',
    path: '/api/v1/requests/:id/diff',
    scope: 'read',
    summary: 'The collected work of a request as a unified diff',
    status: 200,
    input: z.object({ id: RequestId, maxBytes: z.coerce.number().int().min(1).max(5_000_000).default(200_000) }),
    output: z.object({ diff: z.string(), isTruncated: z.boolean() }),
  },
  'tasks.list': {
    method: 'GET',
    path: '/api/v1/tasks',
    scope: 'read',
    summary: 'Tasks, newest first',
    status: 200,
    input: z.object({
      state: listOf(TaskState),
      requestId: RequestId.optional(),
      project: z.string().optional(),
      limit,
      cursor,
    }),
    output: page(Task),
  },
  'tasks.get': {
    method: 'GET',
    path: '/api/v1/tasks/:id',
    scope: 'read',
    summary: 'A task with its attempts',
    status: 200,
    input: z.object({ id: TaskId }),
    output: z.object({ task: Task, attempts: z.array(Attempt), sessions: z.array(Session) }),
  },
  'things.explain': {
    method: 'GET',
    path: '/api/v1/things/:id/explain',
    scope: 'read',
    summary: 'Why a thing is in the state it is in, in words',
    status: 200,
    input: z.object({ id: z.string() }),
    output: z.object({ id: z.string(), kind: z.string(), state: z.string(), lines: z.array(z.string()) }),
  },
  'things.cancel': control('cancel', 'Cancel a request or a task'),
  'things.pause': control('pause', 'Pause a request: running turns end at a safe point, nothing new starts'),
  'things.resume': control('resume', 'Let a paused request go on'),
  'things.retry': control('retry', 'Try a failed or cancelled request or task again'),
  'sessions.list': {
    method: 'GET',
    path: '/api/v1/sessions',
    scope: 'read',
    summary: 'Sessions, newest first',
    status: 200,
    input: z.object({ taskId: TaskId.optional(), limit, cursor }),
    output: page(Session),
  },
  'sessions.transcript': {
    method: 'GET',
    path: '/api/v1/sessions/:id/transcript',
    scope: 'read',
    summary: 'The conversation of a session, from the journal',
    status: 200,
    input: z.object({ id: SessionId }),
    output: z.object({ items: z.array(TranscriptItem) }),
  },
  ...AGENT_OPERATIONS,
  'approvals.list': {
    method: 'GET',
    path: '/api/v1/approvals',
    scope: 'read',
    summary: 'What waits for a person; with `all`, what was decided too',
    status: 200,
    input: z.object({ all: z.stringbool().default(false), requestId: RequestId.optional(), limit }),
    output: z.object({ items: z.array(Approval) }),
  },
  'approvals.allow': {
    method: 'POST',
    path: '/api/v1/approvals/:id/allow',
    scope: 'approve',
    summary: 'Allow a tool call: once, for its session, or for the project',
    status: 200,
    input: z.object({
      id: ApprovalId,
      scope: GrantScope.default('once'),
      ttlMs: z.number().int().positive().optional(),
    }),
    output: Approval,
  },
  'approvals.deny': {
    method: 'POST',
    path: '/api/v1/approvals/:id/deny',
    scope: 'approve',
    summary: 'Deny a tool call or a question; the agent is told the reason',
    status: 200,
    input: z.object({ id: ApprovalId, reason: z.string().min(1).max(2000).default('A person denied this.') }),
    output: Approval,
  },
  'approvals.answer': {
    method: 'POST',
    path: '/api/v1/approvals/:id/answer',
    scope: 'approve',
    summary: 'Answer a question: one list of labels or free texts per question',
    status: 200,
    input: z.object({ id: ApprovalId, answers: z.array(z.array(z.string().max(10_000))).min(1) }),
    output: Approval,
  },
  'grants.list': {
    method: 'GET',
    path: '/api/v1/grants',
    scope: 'read',
    summary: 'Standing permissions that a person gave',
    status: 200,
    input: z.object({}),
    output: z.object({ items: z.array(Grant) }),
  },
  'grants.revoke': {
    method: 'DELETE',
    path: '/api/v1/grants/:id',
    scope: 'approve',
    summary: 'Take a standing permission back',
    status: 200,
    input: z.object({ id: z.string() }),
    output: Grant,
  },
  'policy.test': {
    method: 'POST',
    path: '/api/v1/policy/test',
    scope: 'read',
    summary: 'What the policy would do with a tool call, and by which rule',
    status: 200,
    input: z.object({
      tool: z.string().default('bash'),
      value: z.string(),
      role: z.string().optional(),
      backend: BackendId.optional(),
      project: z.string().optional(),
    }),
    output: PolicyVerdict.extend({ patterns: z.array(z.string()) }),
  },
  ...MESSAGE_OPERATIONS,
  ...MERGE_OPERATIONS,
  ...HISTORY_OPERATIONS,
  'facts.list': {
    method: 'GET',
    path: '/api/v1/facts',
    scope: 'read',
    summary: 'The journal: after a position, or the most recent',
    status: 200,
    input: z.object({
      since: z.coerce.number().int().nonnegative().optional(),
      recent: z.coerce.number().int().min(1).max(1000).optional(),
      kind: listOf(z.string()),
      class: listOf(FactClass),
      requestId: RequestId.optional(),
      taskId: TaskId.optional(),
      sessionId: SessionId.optional(),
      projectId: ProjectId.optional(),
      agent: AgentAddress.optional(),
      limit,
    }),
    output: z.object({ items: z.array(Fact), next: z.number() }),
  },
  ...SEARCH_OPERATIONS,
  'usage.summary': {
    method: 'GET',
    path: '/api/v1/usage',
    scope: 'read',
    summary: 'Tokens and money per day, project, role, backend and model; of the last 30 days unless `since` says else',
    status: 200,
    input: z.object({
      since: z.coerce.number().int().nonnegative().optional(),
      until: z.coerce.number().int().nonnegative().optional(),
      project: z.string().optional(),
    }),
    output: z.object({ since: z.number(), until: z.number(), rows: z.array(UsageRow) }),
  },
  'exec.start': {
    method: 'POST',
    path: '/api/v1/exec',
    scope: 'operate',
    summary: 'One prompt to one agent in a directory, outside any plan',
    status: 202,
    input: z.object({
      prompt: z.string().min(1).max(1_000_000),
      directory: z.string().min(1),
      backend: BackendId.optional(),
      model: z.string().optional(),
      /** A native id: go on with that session. */
      resume: z.string().optional(),
      timeoutMs: z.number().int().positive().default(1_800_000),
    }),
    output: ExecResult,
  },
  'exec.wait': {
    method: 'GET',
    path: '/api/v1/exec/:id',
    scope: 'read',
    summary: 'The state of an exec; waits for its end at most waitMs',
    status: 200,
    input: z.object({ id: SessionId, waitMs: z.coerce.number().int().min(0).max(30_000).default(0) }),
    output: ExecResult,
  },
  'config.explain': {
    method: 'GET',
    path: '/api/v1/config',
    scope: 'read',
    summary: 'Every setting, its value and the layer that won',
    status: 200,
    input: z.object({ key: z.string().optional(), project: z.string().optional() }),
    output: z.object({ items: z.array(ConfigValue) }),
  },
  'projections.list': {
    method: 'GET',
    path: '/api/v1/projections',
    scope: 'read',
    summary: 'What tells something outside (webhooks): how far it is, what waits, the last error',
    status: 200,
    input: z.object({}),
    output: z.object({ items: z.array(ProjectionStatus) }),
  },
  'projections.test': {
    method: 'POST',
    path: '/api/v1/projections/:name/test',
    scope: 'operate',
    summary: 'Deliver a test to a webhook now',
    status: 200,
    input: z.object({ name: z.string() }),
    output: z.object({ name: z.string(), isDelivered: z.boolean(), error: z.string().nullable() }),
  },
  'projections.rebuild': {
    method: 'POST',
    path: '/api/v1/projections/:name/rebuild',
    scope: 'operate',
    summary: 'Tell again everything after a position of the journal; receivers know what they have by its id',
    status: 202,
    input: z.object({ name: z.string(), since: z.number().int().nonnegative().default(0) }),
    output: ProjectionStatus,
  },
  doctor: {
    method: 'POST',
    path: '/api/v1/doctor',
    scope: 'operate',
    summary: 'Check every backend by starting it, the planner, git and the store',
    status: 200,
    input: z.object({ project: z.string().optional(), isQuick: z.boolean().default(false) }),
    output: z.object({ isOk: z.boolean(), checks: z.array(DoctorCheck) }),
  },
  'tokens.create': {
    method: 'POST',
    path: '/api/v1/tokens',
    scope: 'admin',
    summary: 'Make a token; its value is shown once',
    status: 200,
    input: z.object({
      name: z.string().min(1).max(64),
      scope: Scope,
      ttlMs: z.number().int().positive().optional(),
      /** Bound to these callers: it may delegate tasks in their names, and nothing else. */
      callers: z.array(CallerId).min(1).max(100).optional(),
      /** Bound to this app: it may report its events, and nothing of others. */
      sourceApp: z.string().min(1).max(256).optional(),
    }),
    output: z.object({ token: z.string(), info: TokenInfo }),
  },
  'tokens.list': {
    method: 'GET',
    path: '/api/v1/tokens',
    scope: 'admin',
    summary: 'Tokens, without their values',
    status: 200,
    input: z.object({}),
    output: z.object({ items: z.array(TokenInfo) }),
  },
  'tokens.revoke': {
    method: 'DELETE',
    path: '/api/v1/tokens/:id',
    scope: 'admin',
    summary: 'Make a token invalid at once',
    status: 200,
    input: z.object({ id: z.string() }),
    output: TokenInfo,
  },
  'login.create': {
    method: 'POST',
    path: '/api/v1/login-links',
    scope: 'admin',
    summary: 'A one-time link that logs a browser in; valid for five minutes',
    status: 200,
    input: z.object({}),
    output: z.object({ url: z.string(), expiresAt: z.number() }),
  },
  ...DELEGATION_OPERATIONS,
} as const satisfies Record<string, Operation>;

export type { Operation } from './operation.ts';
export type OperationName = keyof typeof OPERATIONS;
/** What a caller gives. */
export type InputOf<N extends OperationName> = z.input<(typeof OPERATIONS)[N]['input']>;
/** What a handler gets: checked, with defaults. */
export type ParsedInputOf<N extends OperationName> = z.output<(typeof OPERATIONS)[N]['input']>;
export type OutputOf<N extends OperationName> = z.output<(typeof OPERATIONS)[N]['output']>;
