import { z } from 'zod';
import { Agent } from './agent.ts';
import { Approval, Grant, PolicyVerdict, ToolCall } from './approval.ts';
import { Attempt } from './attempt.ts';
import { NoteType } from './delegation.ts';
import { ObservedEvent } from './event.ts';
import { Failure } from './failure.ts';
import { AgentAddress, ApprovalId, AttemptId, ProjectId, PromptId, RequestId, SessionId, TaskId } from './ids.ts';
import { Merge } from './merge.ts';
import { Message } from './message.ts';
import { Project } from './project.ts';
import { Request } from './request.ts';
import { Session } from './session.ts';
import { Check, Task } from './task.ts';
import { Usage } from './usage.ts';

/** A row of a ledger table changed; `from` is null when it was made. The row is whole: a view replaces it by id. */
const changed = <R extends z.ZodType>(row: R) =>
  z.object({ from: z.string().nullable(), to: z.string(), cause: z.string().nullable(), row });

/** How a turn ended. `rejected`: a refused permission or question stopped it. `length`: cut off by the model's limit. */
export const TurnOutcome = z.enum(['done', 'failed', 'interrupted', 'rejected', 'length']);
export type TurnOutcome = z.infer<typeof TurnOutcome>;

/** Where a sub-agent stands, by what its program says of it; `unknown`: that is over, and nobody has told how. */
export const ChildState = z.enum(['running', 'done', 'failed', 'stopped', 'unknown']);
export type ChildState = z.infer<typeof ChildState>;

/**
 * Every kind of fact with the shape of its data. A new kind is one line here; `fold` then stops compiling.
 * Limits: texts and tool outputs are cut at 64 kB by the writer (`isTruncated` says so).
 */
export const FACTS = {
  'project.changed': changed(Project),
  'request.changed': changed(Request),
  'task.changed': changed(Task),
  'attempt.changed': changed(Attempt),
  'session.changed': changed(Session),
  'agent.changed': changed(Agent),
  'approval.changed': changed(Approval),
  'grant.changed': changed(Grant),
  'message.changed': changed(Message),
  'merge.changed': changed(Merge),
  /** The caller of a delegated task told it something; `messageId` is the mail, or the approval that was answered. */
  'delegation.message': z.object({
    messageId: z.string(),
    noteType: NoteType,
    text: z.string(),
    metadata: z.record(z.string(), z.unknown()),
  }),
  'prompt.accepted': z.object({ promptId: PromptId, kind: z.string() }),
  'turn.started': z.object({ promptId: PromptId }),
  'turn.ended': z.object({
    promptId: PromptId,
    outcome: TurnOutcome,
    text: z.string(),
    failure: Failure.nullable(),
    usage: Usage,
  }),
  'text.delta': z.object({ partId: z.string(), text: z.string() }),
  text: z.object({ partId: z.string(), text: z.string(), isTruncated: z.boolean() }),
  'reasoning.delta': z.object({ partId: z.string(), text: z.string() }),
  reasoning: z.object({ partId: z.string(), text: z.string(), isTruncated: z.boolean() }),
  'tool.started': z.object({ callId: z.string(), tool: z.string(), title: z.string(), input: z.unknown() }),
  'tool.ended': z.object({
    callId: z.string(),
    tool: z.string(),
    title: z.string(),
    status: z.enum(['completed', 'error', 'interrupted']),
    output: z.string(),
    isTruncated: z.boolean(),
  }),
  'file.changed': z.object({ path: z.string() }),
  todo: z.object({ items: z.array(z.object({ text: z.string(), status: z.string() })) }),
  /** A sub-agent; `parentId` is the native id of the sub-agent that started it, absent where the session did or nobody says. */
  'child.started': z.object({ nativeId: z.string(), title: z.string(), parentId: z.string().optional() }),
  /** Told when it changes; one that is over may be given more to do. */
  'child.state': z.object({ nativeId: z.string(), state: ChildState }),
  usage: z.object({ usage: Usage }),
  compaction: z.object({ phase: z.enum(['started', 'ended']) }),
  retrying: z.object({ try: z.number(), message: z.string(), nextAt: z.number().nullable() }),
  notice: z.object({ level: z.enum(['info', 'warning', 'error']), text: z.string() }),
  'check.ran': z.object({ round: z.number(), check: Check }),
  collected: z.object({ commit: z.string(), branch: z.string() }),
  'policy.decided': z.object({ call: ToolCall, verdict: PolicyVerdict, approvalId: ApprovalId.nullable() }),
  /** What an outside program reported (a hook, a plugin, a foreign client): recorded and shown, changes nothing. */
  observed: ObservedEvent,
  /** A word from an attempt that is no longer the holder: recorded, nothing changes. */
  late: z.object({ what: z.string(), fence: z.number() }),
  'alert.opened': z.object({ key: z.string(), text: z.string() }),
  'alert.closed': z.object({ key: z.string(), text: z.string() }),
  swept: z.object({ what: z.string(), pids: z.array(z.number()) }),
  'daemon.started': z.object({ version: z.string(), pid: z.number(), recovered: z.array(z.string()) }),
  'daemon.stopped': z.object({ cause: z.string() }),
} as const;

export type FactKind = keyof typeof FACTS;
export type FactData<K extends FactKind> = z.infer<(typeof FACTS)[K]>;
export const FACT_KINDS = Object.keys(FACTS) as readonly FactKind[];

/**
 * How long a fact is kept: `state` explains the ledger; `observation` is what agents did and said;
 * `stream` is text on its way, replaced by the whole text and pruned soon after.
 */
export const FactClass = z.enum(['state', 'observation', 'stream']);
export type FactClass = z.infer<typeof FactClass>;

const OBSERVATIONS: ReadonlySet<FactKind> = new Set([
  'text',
  'reasoning',
  'tool.started',
  'tool.ended',
  'file.changed',
  'todo',
  'child.started',
  'child.state',
  'usage',
  'compaction',
  'retrying',
  'observed',
]);

export const classOf = (kind: FactKind): FactClass =>
  kind === 'text.delta' || kind === 'reasoning.delta' ? 'stream' : OBSERVATIONS.has(kind) ? 'observation' : 'state';

/** What a fact is about; null where it does not apply. */
export const FactSubject = z.object({
  projectId: ProjectId.nullable(),
  requestId: RequestId.nullable(),
  taskId: TaskId.nullable(),
  attemptId: AttemptId.nullable(),
  sessionId: SessionId.nullable(),
  agent: AgentAddress.nullable(),
});
export type FactSubject = z.infer<typeof FactSubject>;

/** Which facts: all that is named must hold. */
export type FactFilter = {
  readonly kinds?: readonly FactKind[];
  readonly classes?: readonly FactClass[];
  /** Who caused them. */
  readonly actors?: readonly string[];
  /** The apps of outside programs whose events they are. */
  readonly sources?: readonly string[];
} & {
  readonly [K in keyof FactSubject]?: NonNullable<FactSubject[K]>;
};

export const NO_SUBJECT: FactSubject = {
  projectId: null,
  requestId: null,
  taskId: null,
  attemptId: null,
  sessionId: null,
  agent: null,
};

type FactOf<K extends FactKind> = K extends FactKind
  ? FactSubject & {
      /** Position in the journal: grows by one per fact, never used twice. */
      readonly seq: number;
      /** ms, the daemon's clock. Order comes from `seq`, never from this. */
      readonly at: number;
      readonly kind: K;
      /** Who caused it: `gantry`, `person`, `policy:…`, `agent:…`, `token:<name>`. */
      readonly actor: string;
      readonly data: FactData<K>;
    }
  : never;
export type Fact = FactOf<FactKind>;

/** The frame of a fact; `data` is checked by its kind. */
const FactFrame = FactSubject.extend({
  seq: z.number().int(),
  at: z.number(),
  kind: z.enum(FACT_KINDS as [FactKind, ...FactKind[]]),
  actor: z.string(),
  data: z.unknown(),
});

/** A fact as it travels. Checked by its kind. */
export const Fact: z.ZodType<Fact> = FactFrame.transform((frame, context) => {
  const data = FACTS[frame.kind].safeParse(frame.data);
  if (data.success) return { ...frame, data: data.data } as Fact;
  for (const issue of data.error.issues) context.addIssue({ ...issue, path: ['data', ...issue.path] } as never);
  return z.NEVER;
});

/** What the stream sends. `gap`: facts in (after, before) were not sent to this reader; take a new view and go on. */
export const StreamMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('fact'), fact: z.custom<Fact>() }),
  z.object({ type: z.literal('gap'), after: z.number(), before: z.number(), reason: z.enum(['slow', 'pruned']) }),
  /** Everything up to `seq` was sent: the reader is live. */
  z.object({ type: z.literal('live'), seq: z.number() }),
]);
export type StreamMessage = z.infer<typeof StreamMessage>;
