import type { z } from 'zod';
import { Agent } from '../contract/agent.ts';
import { APPROVAL_MOVES, Approval, Grant } from '../contract/approval.ts';
import { ATTEMPT_MOVES, Attempt } from '../contract/attempt.ts';
import type { FactSubject } from '../contract/fact.ts';
import { MERGE_MOVES, Merge } from '../contract/merge.ts';
import { MESSAGE_MOVES, Message } from '../contract/message.ts';
import { Project } from '../contract/project.ts';
import { REQUEST_MOVES, Request } from '../contract/request.ts';
import { SESSION_MOVES, Session } from '../contract/session.ts';
import { TASK_MOVES, Task } from '../contract/task.ts';

/** The kinds of fact that only a changed row writes. */
export type RowFactKind =
  | 'project.changed'
  | 'request.changed'
  | 'task.changed'
  | 'attempt.changed'
  | 'session.changed'
  | 'agent.changed'
  | 'approval.changed'
  | 'grant.changed'
  | 'message.changed'
  | 'merge.changed';

/** What every row of the ledger has. */
export type BaseRow = {
  readonly id: string;
  readonly state: string;
  readonly createdAt: number;
  readonly updatedAt: number;
};

/** A table of the ledger: its rows, their legal moves, and the columns that can be filtered on. */
export type Entity<R extends BaseRow, C extends keyof R & string> = {
  readonly table: string;
  /** The kind of fact that every change of a row writes. */
  readonly kind: RowFactKind;
  readonly schema: z.ZodType<R>;
  readonly moves: Readonly<Record<R['state'], readonly R['state'][]>>;
  /** Generated columns of the table. */
  readonly columns: readonly C[];
  readonly subject: (row: R) => Partial<FactSubject>;
};

const entity = <R extends BaseRow, C extends keyof R & string>(of: Entity<R, C>): Entity<R, C> => of;

export const ENTITIES = {
  projects: entity({
    table: 'projects',
    kind: 'project.changed',
    schema: Project,
    moves: { active: ['removed'], removed: ['active'] },
    columns: ['id', 'state', 'name', 'path'],
    subject: (row) => ({ projectId: row.id }),
  }),
  requests: entity({
    table: 'requests',
    kind: 'request.changed',
    schema: Request,
    moves: REQUEST_MOVES,
    columns: ['id', 'state', 'projectId'],
    subject: (row) => ({ projectId: row.projectId, requestId: row.id }),
  }),
  tasks: entity({
    table: 'tasks',
    kind: 'task.changed',
    schema: Task,
    moves: TASK_MOVES,
    columns: ['id', 'state', 'projectId', 'requestId', 'attemptId', 'agent', 'role', 'backend'],
    subject: (row) => ({
      projectId: row.projectId,
      requestId: row.requestId,
      taskId: row.id,
      attemptId: row.attemptId,
      agent: row.agent,
    }),
  }),
  attempts: entity({
    table: 'attempts',
    kind: 'attempt.changed',
    schema: Attempt,
    moves: ATTEMPT_MOVES,
    columns: ['id', 'state', 'requestId', 'taskId', 'sessionId', 'agent', 'backend'],
    subject: (row) => ({
      requestId: row.requestId,
      taskId: row.taskId,
      attemptId: row.id,
      sessionId: row.sessionId,
      agent: row.agent,
    }),
  }),
  sessions: entity({
    table: 'sessions',
    kind: 'session.changed',
    schema: Session,
    moves: SESSION_MOVES,
    columns: ['id', 'state', 'attemptId', 'agent', 'backend', 'nativeId', 'purpose'],
    subject: (row) => ({ attemptId: row.attemptId, sessionId: row.id, agent: row.agent }),
  }),
  agents: entity({
    table: 'agents',
    kind: 'agent.changed',
    schema: Agent,
    moves: { idle: ['working', 'stopped'], working: ['idle', 'stopped'], stopped: ['idle', 'working'] },
    columns: ['id', 'state', 'projectId', 'taskId', 'attemptId', 'sessionId', 'role', 'name', 'backend'],
    subject: (row) => ({
      projectId: row.projectId,
      taskId: row.taskId,
      attemptId: row.attemptId,
      sessionId: row.sessionId,
      agent: row.id,
    }),
  }),
  approvals: entity({
    table: 'approvals',
    kind: 'approval.changed',
    schema: Approval,
    moves: APPROVAL_MOVES,
    columns: ['id', 'state', 'requestId', 'taskId', 'attemptId', 'sessionId', 'agent', 'backend', 'nativeId'],
    subject: (row) => ({
      requestId: row.requestId,
      taskId: row.taskId,
      attemptId: row.attemptId,
      sessionId: row.sessionId,
      agent: row.agent,
    }),
  }),
  grants: entity({
    table: 'grants',
    kind: 'grant.changed',
    schema: Grant,
    moves: { active: ['revoked'], revoked: [] },
    columns: ['id', 'state', 'scope', 'sessionId', 'projectId'],
    subject: (row) => ({ sessionId: row.sessionId }),
  }),
  messages: entity({
    table: 'messages',
    kind: 'message.changed',
    schema: Message,
    moves: MESSAGE_MOVES,
    columns: ['id', 'state', 'from', 'to', 'thread', 'promptId', 'kind'],
    subject: (row) => ({ agent: row.to === 'person' ? null : row.to }),
  }),
  merges: entity({
    table: 'merges',
    kind: 'merge.changed',
    schema: Merge,
    moves: MERGE_MOVES,
    columns: ['id', 'state', 'requestId', 'projectId', 'repairId', 'reviewId'],
    subject: (row) => ({ projectId: row.projectId, requestId: row.requestId }),
  }),
} as const;

type Entities = typeof ENTITIES;
export type EntityName = keyof Entities;
export type RowOf<N extends EntityName> = Entities[N] extends Entity<infer R, infer _> ? R : never;
export type ColumnOf<N extends EntityName> = Entities[N]['columns'][number] & keyof RowOf<N>;
