import { z } from 'zod';
import { Approval } from './approval.ts';
import { CallerId, DelegationStatus, NoteType, NotifyChoice, TaskEvent } from './delegation.ts';
import { ApprovalId, BackendId, RequestId, TaskId } from './ids.ts';
import { Isolation } from './isolation.ts';
import { MessageMode } from './message.ts';
import { Scope } from './shapes.ts';
import { Usage } from './usage.ts';

const id = z.string().min(1).max(200);
const DAY_MS = 86_400_000;

const ShownState = z.enum(['current', 'waiting', 'retrying']);
export type ShownState = z.infer<typeof ShownState>;

/** Where a task is shown outside, by bridge; absent: nowhere. */
export const Projections = z.object({
  letta: z
    .object({
      /** Whether the block says all; if not, whether its write waits, or was refused and is tried again. */
      state: ShownState,
      label: z.string(),
      /** Letta's id of it; null before it is made. */
      blockId: z.string().nullable(),
      /** Why the last write did not arrive. */
      error: z.string().nullable(),
    })
    .optional(),
  matrix: z
    .object({
      state: ShownState,
      /** Null before it is made. */
      roomId: z.string().nullable(),
      /** The event that is changed as the task goes on, in a shared room the root of its thread. */
      eventId: z.string().nullable(),
      error: z.string().nullable(),
    })
    .optional(),
});
export type Projections = z.infer<typeof Projections>;

export const DelegationView = z.object({
  /** The task's name outside of Gantry. */
  id: z.string(),
  requestId: RequestId,
  taskId: TaskId.nullable(),
  callerId: CallerId,
  status: DelegationStatus,
  description: z.string(),
  createdAt: z.number(),
  /** ms, the first attempt; null before it. */
  startedAt: z.number().nullable(),
  endedAt: z.number().nullable(),
  blockedOn: z
    .object({ kind: z.enum(['approval', 'question', 'quota', 'host']), id: z.string().nullable(), since: z.number() })
    .nullable(),
  /** 1 is next; null if it does not wait for a place. */
  queuePosition: z.number().int().nullable(),
  /** The agent's last words; null before it has ended a turn. */
  output: z.string().nullable(),
  /** Why it did not succeed; null while it runs and when it did. */
  error: z.string().nullable(),
  usage: Usage.nullable(),
  /** With which a program decided its end, see `exitCodeOf`; null if none did. */
  exitCode: z.number().int().nullable(),
  projections: Projections,
});
export type DelegationView = z.infer<typeof DelegationView>;

export const FileEntry = z.object({
  path: z.string(),
  status: z.enum(['added', 'modified', 'deleted', 'renamed']),
  /** Bytes; null for what is deleted. */
  size: z.number().nullable(),
  /** ms; null once the workspace is gone. */
  mtime: z.number().nullable(),
});
export type FileEntry = z.infer<typeof FileEntry>;

export const FileContent = z.object({
  path: z.string(),
  content: z.string(),
  encoding: z.enum(['utf-8', 'base64']),
  /** Bytes. */
  size: z.number(),
  sha256: z.string(),
});
export type FileContent = z.infer<typeof FileContent>;

/**
 * What another program does with tasks that it handed over. A token that is bound to callers may use these and no other
 * operation; it sees only the tasks of its callers.
 */
export const DELEGATION_OPERATIONS = {
  whoami: {
    method: 'GET',
    path: '/api/v1/whoami',
    scope: 'read',
    isForCallers: true,
    summary: 'What the token stands for',
    status: 200,
    input: z.object({}),
    output: z.object({
      actor: z.string(),
      scope: Scope,
      agent: z.string().nullable(),
      callers: z.array(CallerId).nullable(),
    }),
  },
  'delegations.load': {
    method: 'GET',
    path: '/api/v1/delegation-load',
    scope: 'read',
    isForCallers: true,
    summary: 'How many delegated tasks run and wait, and whether one more would be taken',
    status: 200,
    input: z.object({}),
    output: z.object({
      /** `degraded`: something that is configured is down; `unhealthy`: the store cannot be written to. */
      status: z.enum(['healthy', 'degraded', 'unhealthy']),
      active: z.number(),
      queued: z.number(),
      queueLimit: z.number(),
      canAccept: z.boolean(),
      defaultTimeoutMs: z.number(),
      maxFileBytes: z.number(),
      /** By name: `ok`, `down`, `off` (not configured) or `unknown` (not looked at yet), and when it was looked at, ms. */
      dependencies: z.record(
        z.string(),
        z.object({ status: z.enum(['ok', 'down', 'off', 'unknown']), checked_at: z.number().nullable() }),
      ),
      /** Without credentials; null if there is no Letta server. */
      lettaUrl: z.string().nullable(),
      /** Of containers; null if nobody uses them. */
      image: z.string().nullable(),
    }),
  },
  'delegations.submit': {
    method: 'POST',
    path: '/api/v1/delegations',
    scope: 'operate',
    isForCallers: true,
    summary: 'Hand a task over; the same key again gives the same task',
    status: 202,
    input: z.object({
      callerId: CallerId,
      description: z.string().min(1).max(1_000_000),
      /** Unique for this token and caller. */
      key: z.string().min(1).max(255).optional(),
      project: z.string().min(1).optional(),
      backend: BackendId.optional(),
      model: z.string().min(1).optional(),
      role: z.string().min(1).optional(),
      isolation: Isolation.optional(),
      timeoutMs: z.number().int().min(1).max(DAY_MS).optional(),
      queueTimeoutMs: z.number().int().min(1).max(DAY_MS).default(3_600_000),
      priority: z.number().int().min(0).max(9).default(2),
      observers: z.array(z.string().max(255)).max(100).default([]),
      notify: NotifyChoice.default('always'),
      isSync: z.boolean().default(false),
    }),
    output: z.object({ isNew: z.boolean(), view: DelegationView }),
  },
  'delegations.list': {
    method: 'GET',
    path: '/api/v1/delegations',
    scope: 'read',
    isForCallers: true,
    summary: 'Delegated tasks, newest first',
    status: 200,
    input: z.object({
      callerId: CallerId.optional(),
      status: DelegationStatus.optional(),
      limit: z.coerce.number().int().min(1).max(200).default(50),
      cursor: z.string().optional(),
    }),
    output: z.object({ items: z.array(DelegationView), nextCursor: z.string().nullable() }),
  },
  'delegations.get': {
    method: 'GET',
    path: '/api/v1/delegations/:id',
    scope: 'read',
    isForCallers: true,
    summary: 'A delegated task with its newest events; waits at most waitMs for one after `since`',
    status: 200,
    input: z.object({
      id,
      /** A position: with it, events after it; without it the newest. */
      since: z.coerce.number().int().nonnegative().optional(),
      limit: z.coerce.number().int().min(1).max(100).default(5),
      waitMs: z.coerce.number().int().min(0).max(30_000).default(0),
    }),
    output: z.object({ view: DelegationView, events: z.array(TaskEvent), next: z.number() }),
  },
  'delegations.history': {
    method: 'GET',
    path: '/api/v1/delegations/:id/history',
    scope: 'read',
    isForCallers: true,
    summary: 'What happened to a delegated task, oldest first, and its full output',
    status: 200,
    input: z.object({
      id,
      /** -1: all. */
      limit: z.coerce.number().int().min(-1).default(100),
      offset: z.coerce.number().int().nonnegative().default(0),
      withArtifacts: z.stringbool().default(false),
    }),
    output: z.object({
      view: DelegationView,
      events: z.array(TaskEvent),
      total: z.number(),
      artifacts: z.array(
        z.object({ timestamp: z.number(), type: z.enum(['output', 'error']), name: z.string(), content: z.string() }),
      ),
    }),
  },
  'delegations.message': {
    method: 'POST',
    path: '/api/v1/delegations/:id/messages',
    scope: 'operate',
    isForCallers: true,
    summary: 'Tell a delegated task something; of type approval: answer what it asks',
    status: 202,
    input: z.object({
      id,
      text: z.string().min(1).max(65_536),
      noteType: NoteType.default('update'),
      metadata: z.record(z.string(), z.unknown()).default({}),
    }),
    output: z.object({
      messageId: z.string(),
      timestamp: z.number(),
      delivery: z.enum(['queued', 'delivered', 'seen']),
      mode: MessageMode,
      /** The approval that it answered; null if none. */
      approvalId: ApprovalId.nullable(),
    }),
  },
  'delegations.control': {
    method: 'POST',
    path: '/api/v1/delegations/:id/control',
    scope: 'operate',
    isForCallers: true,
    summary: 'Cancel, pause or resume a delegated task; answers when it has taken effect',
    status: 200,
    input: z.object({
      id,
      control: z.enum(['cancel', 'pause', 'resume']),
      reason: z.string().min(1).max(1000).optional(),
    }),
    output: z.object({
      previous: DelegationStatus,
      status: DelegationStatus,
      /** Whether nothing of the task runs any more. */
      isStopped: z.boolean(),
      /** The Matrix room that shows it; null if none does. */
      roomId: z.string().nullable(),
    }),
  },
  'delegations.files': {
    method: 'GET',
    path: '/api/v1/delegations/:id/files',
    scope: 'read',
    isForCallers: true,
    summary: 'Files that a delegated task has changed, during and after its run',
    status: 200,
    input: z.object({ id, path: z.string().max(4096).default('/') }),
    output: z.object({ items: z.array(FileEntry), isTruncated: z.boolean() }),
  },
  'delegations.file': {
    method: 'GET',
    path: '/api/v1/delegations/:id/file',
    scope: 'read',
    isForCallers: true,
    summary: 'A file in the workspace of a delegated task',
    status: 200,
    input: z.object({ id, path: z.string().min(1).max(4096) }),
    output: FileContent,
  },
  'delegations.diff': {
    method: 'GET',
    path: '/api/v1/delegations/:id/diff',
    scope: 'read',
    isForCallers: true,
    summary: 'What a delegated task has changed as a unified diff, during and after its run',
    status: 200,
    input: z.object({ id, maxBytes: z.coerce.number().int().min(1).max(5_000_000).default(200_000) }),
    output: z.object({ diff: z.string(), isTruncated: z.boolean() }),
  },
  'delegations.approvals': {
    method: 'GET',
    path: '/api/v1/delegation-approvals',
    scope: 'read',
    isForCallers: true,
    summary: 'What delegated tasks wait for',
    status: 200,
    input: z.object({ id: id.optional() }),
    output: z.object({ items: z.array(Approval) }),
  },
  'delegations.decide': {
    method: 'POST',
    path: '/api/v1/delegation-approvals/:approvalId',
    scope: 'approve',
    isForCallers: true,
    summary: 'Answer what a delegated task asks',
    status: 200,
    input: z.object({
      approvalId: ApprovalId,
      decision: z.enum(['once', 'session', 'deny']),
      message: z.string().min(1).max(2000).optional(),
      answers: z
        .array(z.array(z.string().max(10_000)))
        .min(1)
        .optional(),
    }),
    output: Approval,
  },
} as const;
