import { type DelegationStatus, handleOf, isDelegationOver, type TaskEvent } from '../../contract/delegation.ts';
import type { DelegationView } from '../../contract/delegation-operations.ts';
import type { RequestId } from '../../contract/ids.ts';
import type { Request } from '../../contract/request.ts';
import { exitCodeOf, isTaskActive, type Task } from '../../contract/task.ts';
import { EVENT_KINDS, TIMED_OUT, taskEventOf } from '../../contract/task-events.ts';
import type { Reader, Store } from '../../store/store.ts';
import { type Places, projectionsOf } from './projections.ts';

/** The state of a delegation in the words of its caller. The request's end is the end: nothing moves it again. */
export function statusOf(request: Request, task: Task | null): DelegationStatus {
  switch (request.state) {
    case 'planning':
    case 'planned':
      return 'queued';
    case 'paused':
      return 'paused';
    case 'done':
      return 'completed';
    case 'failed':
      return request.failure?.class === 'timeout' ? 'timeout' : 'failed';
    case 'cancelled':
      return request.failure?.class === 'timeout' ? 'timeout' : 'cancelled';
    case 'running':
      return task === null || ['blocked', 'ready', 'deferred', 'assigned'].includes(task.state) ? 'queued' : 'running';
    default:
      return request.state satisfies never;
  }
}

/** What is looked up once for many tasks, and only if it is asked for. */
export type Lookups = { readonly positions: () => ReadonlyMap<string, number>; readonly places: () => Places };

export function viewOf({ read, journal }: Store, request: Request, lookups: Lookups): DelegationView {
  const [task = null] = read.tasks.list({ requestId: request.id });
  const status = statusOf(request, task);
  const [first] = read.attempts.list({ requestId: request.id, limit: 1 });
  const turn = journal.lastTurn(request.id);
  const said = turn?.kind === 'turn.ended' ? turn.data.text : null;
  return {
    id: handleOf(request.id),
    requestId: request.id,
    taskId: task?.id ?? null,
    callerId: request.delegation?.callerId ?? '',
    status,
    description: request.text,
    createdAt: request.createdAt,
    startedAt: first?.createdAt ?? null,
    endedAt: request.endedAt,
    blockedOn: isDelegationOver(status) ? null : blockedOn(read, request, task),
    queuePosition: status === 'queued' && task !== null ? (lookups.positions().get(task.id) ?? null) : null,
    output: said === '' ? null : said,
    error: errorOf(request, status),
    usage: task?.usage ?? null,
    exitCode: task === null || !isDelegationOver(status) ? null : exitCodeOf(task),
    projections: task === null ? {} : projectionsOf(read, task, lookups.places()),
  };
}

function errorOf(request: Request, status: DelegationStatus): string | null {
  if (status === 'timeout') return request.state === 'cancelled' ? (request.failure?.message ?? TIMED_OUT) : TIMED_OUT;
  if (status === 'failed') return request.failure?.message ?? request.cause ?? 'Task failed';
  return status === 'cancelled' ? `Task was cancelled: ${request.cause ?? 'asked'}` : null;
}

function blockedOn(read: Reader, request: Request, task: Task | null): DelegationView['blockedOn'] {
  const [asked] = read.approvals.list({ requestId: request.id, state: 'pending', limit: 1 });
  if (asked) {
    const kind = asked.subject.type === 'question' ? 'question' : 'approval';
    return { kind, id: asked.id, since: asked.createdAt };
  }
  if (task === null || !isTaskActive(task.state) || task.attemptId === null) return null;
  const { sessionId } = read.attempts.need(task.attemptId);
  const session = sessionId === null ? null : read.sessions.need(sessionId);
  if (session?.activity === 'waiting-quota') return { kind: 'quota', id: null, since: session.updatedAt };
  return session?.state === 'lost' ? { kind: 'host', id: null, since: session.updatedAt } : null;
}

const PAGE = 1_000;
/** Facts that are read beyond what is asked for: some kinds change more often than they have something to say. */
const MORE = 20;

/** The newest `limit` events, oldest first. */
export const newestEvents = ({ journal }: Store, requestId: RequestId, limit: number): TaskEvent[] =>
  journal.recentTaskEvents(requestId, limit).flatMap((fact) => taskEventOf(fact) ?? []);

/** `limit` events after `offset` others, oldest first, and how many there are. */
export function eventPage(
  store: Store,
  requestId: RequestId,
  { offset, limit }: { readonly offset: number; readonly limit: number },
): { readonly events: TaskEvent[]; readonly total: number } {
  const { total, seq } = store.journal.taskEvents(requestId, offset);
  if (seq === null || limit === 0) return { events: [], total };
  return { events: eventsAfter(store, requestId, seq - 1, limit).events, total };
}

/** At most `limit` events after a position, oldest first, and the position to go on from. */
export function eventsAfter(
  { journal }: Store,
  requestId: RequestId,
  since: number,
  limit: number,
): { readonly events: TaskEvent[]; readonly next: number } {
  const events: TaskEvent[] = [];
  let cursor = Math.min(since, journal.head());
  for (;;) {
    const wanted = Math.min(PAGE, limit - events.length + MORE);
    const page = journal.since(cursor, { requestId, kinds: EVENT_KINDS, limit: wanted });
    for (const fact of page.facts) {
      const event = taskEventOf(fact);
      if (event === null) continue;
      events.push(event);
      if (events.length >= limit) return { events, next: fact.seq };
    }
    if (page.next === cursor) return { events, next: cursor };
    cursor = page.next;
  }
}
