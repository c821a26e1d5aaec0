import { z } from 'zod';
import { AgentAddress, ApprovalId, AttemptId, BackendId, RequestId, SessionId, TaskId, TokenId } from './ids.ts';

/** What an agent wants to do, in the words that policy rules match. */
export const ToolCall = z.object({
  /** bash, edit, read, webfetch, external_directory, doom_loop, task, or an MCP tool's name. */
  tool: z.string(),
  /** Every pattern must be allowed: each sub-command of a shell line, each path, each URL. */
  patterns: z.array(z.string()),
  /** The exact command, if it is one. */
  command: z.string().nullable(),
  /** A unified diff, if the call edits a file. */
  diff: z.string().nullable(),
});
export type ToolCall = z.infer<typeof ToolCall>;

export const Question = z.object({
  question: z.string(),
  header: z.string(),
  options: z.array(z.object({ label: z.string(), description: z.string() })),
  isMultiple: z.boolean(),
  isFreeText: z.boolean(),
  /** The answer is the path of a file below this directory. */
  directory: z.string().optional(),
});
export type Question = z.infer<typeof Question>;

export const ApprovalSubject = z.discriminatedUnion('type', [
  z.object({ type: z.literal('permission'), call: ToolCall }),
  z.object({ type: z.literal('question'), questions: z.array(Question) }),
]);
export type ApprovalSubject = z.infer<typeof ApprovalSubject>;

/** How far a person's yes reaches. `once` is this call; `session` and `project` are Gantry's own grants. */
export const GrantScope = z.enum(['once', 'session', 'project']);
export type GrantScope = z.infer<typeof GrantScope>;

export const Decision = z.discriminatedUnion('type', [
  z.object({ type: z.literal('allow'), scope: GrantScope, expiresAt: z.number().nullable() }),
  z.object({ type: z.literal('deny'), reason: z.string().min(1) }),
  /** One list of labels or free texts per question. */
  z.object({ type: z.literal('answer'), answers: z.array(z.array(z.string())) }),
]);
export type Decision = z.infer<typeof Decision>;

export const ApprovalState = z.enum(['pending', 'allowed', 'denied', 'answered', 'expired', 'withdrawn']);
export type ApprovalState = z.infer<typeof ApprovalState>;

export const APPROVAL_MOVES: Readonly<Record<ApprovalState, readonly ApprovalState[]>> = {
  pending: ['allowed', 'denied', 'answered', 'expired', 'withdrawn'],
  allowed: [],
  denied: [],
  answered: [],
  expired: [],
  withdrawn: [],
};

/** What an outside program asked with an event, and how its answer gets back. */
export const ForeignQuestion = z.object({
  /** The event's `seq`. */
  eventId: z.number().int(),
  source: z.string(),
  session: z.string(),
  kind: z.enum(['question', 'permission', 'choice']),
  /** Where the answer is sent, a WebSocket of this machine; null: the program asks for it. */
  address: z.string().nullable(),
  /** The token that reported the event. */
  tokenId: TokenId.nullable(),
  /** Null before there is an answer. */
  delivery: z.enum(['pending', 'delivered', 'pulled', 'failed']).nullable(),
  respondedAt: z.number().nullable(),
  reason: z.string().nullable(),
});
export type ForeignQuestion = z.infer<typeof ForeignQuestion>;

export const Approval = z.object({
  id: ApprovalId,
  subject: ApprovalSubject,
  /** Null for the question of an outside program, and of Gantry itself about a task that has not begun. */
  sessionId: SessionId.nullable(),
  attemptId: AttemptId.nullable(),
  taskId: TaskId.nullable(),
  requestId: RequestId.nullable(),
  agent: AgentAddress.nullable(),
  backend: BackendId,
  project: z.string(),
  /** The backend's own id of the question; another one takes its place when a resumed session asks again. */
  nativeId: z.string(),
  /** True if a sub-agent of the session asked. */
  isFromChild: z.boolean(),
  /** Which one, by its native id; absent where nobody says. */
  childId: z.string().optional(),
  state: ApprovalState,
  decision: Decision.nullable(),
  /** A person, `policy:<rule>`, or `deadline`. */
  decidedBy: z.string().nullable(),
  cause: z.string().nullable(),
  /** Whether the agent program has taken the answer. */
  isDelivered: z.boolean(),
  expiresAt: z.number(),
  createdAt: z.number(),
  updatedAt: z.number(),
  foreign: ForeignQuestion.optional(),
});
export type Approval = z.infer<typeof Approval>;

/** A person's standing yes, made by an answer `for session` or `for project`. */
export const Grant = z.object({
  id: z.string(),
  scope: z.enum(['session', 'project']),
  sessionId: SessionId.nullable(),
  projectId: z.string().nullable(),
  tool: z.string(),
  patterns: z.array(z.string()),
  grantedBy: z.string(),
  expiresAt: z.number().nullable(),
  state: z.enum(['active', 'revoked']),
  createdAt: z.number(),
  updatedAt: z.number(),
});
export type Grant = z.infer<typeof Grant>;

export const PolicyRule = z.strictObject({
  action: z.enum(['allow', 'deny', 'ask']),
  /** Tool name or glob; absent = every tool. */
  tool: z.string().optional(),
  /** Glob over the command, path or URL (`*` matches anything); absent = every pattern. */
  pattern: z.string().optional(),
  role: z.string().optional(),
  backend: z.string().optional(),
  /** Told to the agent when denied, shown to people when asked. */
  reason: z.string().optional(),
});
export type PolicyRule = z.infer<typeof PolicyRule>;

export const PolicyVerdict = z.object({
  action: z.enum(['allow', 'deny', 'ask']),
  /** The rule that decided, in words: `default` or `deny bash "git push *" (built-in)`. */
  rule: z.string(),
  reason: z.string().nullable(),
});
export type PolicyVerdict = z.infer<typeof PolicyVerdict>;
