import type { Request } from '../../contract/request.ts';
import { isTaskActive, type Task } from '../../contract/task.ts';
import type { Reader } from '../../store/store.ts';
import type { Parts } from '../parts.ts';

type Waiting = { readonly request: Request; readonly task: Task };

/** Delegated tasks that are not over, by whether they have a place. A paused one keeps its place. */
export function delegatedLoad(read: Reader): { readonly active: number; readonly queued: readonly Waiting[] } {
  const open = read.requests.list({ state: ['running', 'paused'] }).filter((request) => request.delegation !== null);
  if (open.length === 0) return { active: 0, queued: [] };
  const tasks = new Map(read.tasks.list({ requestId: open.map(({ id }) => id) }).map((task) => [task.requestId, task]));
  const queued = open.flatMap((request) => {
    const task = tasks.get(request.id);
    return task && (task.state === 'ready' || task.state === 'deferred') ? [{ request, task }] : [];
  });
  const active = [...tasks.values()].filter((task) => isTaskActive(task.state)).length;
  return { active, queued };
}

/** Delegated tasks that nobody could begin in time end as timed out. @returns when the next one is due, or null. */
export function expireQueued(parts: Parts): number | null {
  const now = parts.clock.now();
  let next: number | null = null;
  for (const { request, task } of delegatedLoad(parts.store.read).queued) {
    const until = request.delegation?.queueUntil ?? Number.POSITIVE_INFINITY;
    if (task.attempts > 0 || request.state !== 'running') continue;
    if (until > now) {
      next = Math.min(next ?? until, until);
      continue;
    }
    const message = 'Task waited for a place longer than its queue time limit';
    const end = { cause: message, failure: { class: 'timeout', message, resetAt: null } as const, endedAt: now };
    const meta = { actor: 'gantry', cause: message };
    parts.store.commit((tx) => {
      tx.tasks.move(task.id, task.state, 'cancelled', { ...end, notBefore: null }, meta);
      tx.requests.move(request.id, 'running', 'cancelled', end, meta);
    });
  }
  return next;
}
