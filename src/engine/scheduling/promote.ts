import type { RequestId } from '../../contract/ids.ts';
import { isTaskOver, type Task } from '../../contract/task.ts';
import type { Transaction } from '../../store/store.ts';
import type { Parts } from '../parts.ts';

/**
 * Moves tasks whose obstacle is gone: dependencies done, time reached. Those that wait for a failed or cancelled task end
 * unstarted. One transaction; safe to repeat.
 * @returns when the next deferred task is due (ms), or null.
 */
export function promote(parts: Parts): number | null {
  const { read } = parts.store;
  const now = parts.clock.now();
  const deferred = read.tasks.list({ state: 'deferred' });
  const due = deferred.filter((t) => (t.notBefore ?? 0) <= now);
  const later = deferred.flatMap((t) => (t.notBefore !== null && t.notBefore > now ? [t.notBefore] : []));
  const blocked = read.tasks.list({ state: 'blocked' });
  if (due.length > 0 || blocked.length > 0) {
    parts.store.commit((tx) => {
      for (const task of due)
        tx.tasks.move(
          task.id,
          'deferred',
          'ready',
          { notBefore: null },
          { actor: 'gantry', cause: 'its time has come' },
        );
      for (const requestId of new Set(blocked.map((t) => t.requestId))) unblock(tx, requestId, now);
    });
  }
  return later.length > 0 ? Math.min(...later) : null;
}

/** Repeats until nothing moves: a cancelled task may end others. */
function unblock(tx: Transaction, requestId: RequestId, now: number): void {
  const tasks = new Map(tx.tasks.list({ requestId }).map((t) => [t.id, t]));
  for (let isMoving = true; isMoving; ) {
    isMoving = false;
    for (const task of tasks.values()) {
      const moved = task.state === 'blocked' ? advance(tx, task, tasks, now) : null;
      if (!moved) continue;
      tasks.set(moved.id, moved);
      isMoving = true;
    }
  }
}

function advance(tx: Transaction, task: Task, tasks: ReadonlyMap<string, Task>, now: number): Task | null {
  // A task that was slung may wait for those of other requests.
  const needs = task.dependsOn.flatMap((id) => tasks.get(id) ?? tx.tasks.get(id) ?? []);
  const broken = needs.find((t) => t.state === 'waiting' || (isTaskOver(t.state) && t.state !== 'done'));
  if (broken) {
    const message = `dependency_failed: ${broken.label} (${broken.title}) is ${broken.state}`;
    const failure = { class: 'dependency', message, resetAt: null } as const;
    return tx.tasks.move(
      task.id,
      'blocked',
      'cancelled',
      { cause: message, failure, endedAt: now },
      { actor: 'gantry', cause: message },
    );
  }
  if (!needs.every((t) => t.state === 'done')) return null;
  return tx.tasks.move(
    task.id,
    'blocked',
    'ready',
    { cause: null },
    { actor: 'gantry', cause: 'all that it depends on is done' },
  );
}
