import type { BackendId } from '../../contract/ids.ts';
import type { Task } from '../../contract/task.ts';
import type { Reader, Transaction } from '../../store/store.ts';
import { giveTo, propose } from '../approvals/proposals.ts';
import type { Parts } from '../parts.ts';
import { settingsProblem } from '../settings.ts';
import { blockedNow } from './breaker.ts';

/** What a role does when its backend cannot be used. Null: nothing was configured, the usual attempts are made. */
type Way = { readonly mode: 'auto' | 'ask'; readonly next: BackendId } | { readonly mode: 'off' } | null;

function wayOf(parts: Parts, read: Reader, task: Task): Way {
  const { roles } = parts.settingsFor(read.projects.need(task.projectId).path);
  const fallback = roles[task.role]?.fallback;
  if (!fallback) return null;
  if (fallback.mode === 'off') return { mode: 'off' };
  const blocked = blockedNow(parts, read);
  const next = (fallback.chain ?? []).find((id) => id !== task.backend && !blocked.has(id) && parts.backends.has(id));
  return next === undefined ? { mode: 'off' } : { mode: fallback.mode ?? 'ask', next };
}

/** Whether the task's role says what to do when its backend cannot be used. */
export const hasFallback = (parts: Parts, read: Reader, task: Task): boolean => wayOf(parts, read, task) !== null;

/** What became of a task whose backend cannot be used: how long it waits, and why. */
export type Rerouted = { readonly notBefore: number; readonly cause: string };

/**
 * Follows the role's chain: the next backend takes the task, a person is asked, or it waits. Never silent: a fact names both
 * backends. @returns null if the role says nothing about it.
 */
export function reroute(parts: Parts, tx: Transaction, task: Task, why: string): Rerouted | null {
  const way = wayOf(parts, tx, task);
  if (way === null) return null;
  const now = parts.clock.now();
  const cause = `backend ${task.backend} cannot be used: ${why}`;
  if (way.mode === 'off') {
    const until = blockedNow(parts, tx).get(task.backend)?.until ?? now;
    return { notBefore: until, cause: `${cause}; it waits for it` };
  }
  if (way.mode === 'auto') {
    giveTo(parts, tx, task, way.next, why);
    return { notBefore: now, cause: `${cause}; ${way.next} takes it` };
  }
  const approval = propose(parts, tx, task, {
    type: 'fallback',
    key: way.next,
    pattern: `${task.backend} → ${way.next}`,
    cause: `${cause}. May ${way.next} take "${task.title}"?`,
  });
  return { notBefore: approval.expiresAt, cause: `${cause}; waits for your answer: gantry approve ${approval.id}` };
}

/**
 * Tasks that are ready while their backend is blocked follow their role's chain; nothing is launched into a known wall.
 * @returns when the next block ends, or null
 */
export function rerouteBlocked(parts: Parts): number | null {
  const { read } = parts.store;
  const blocked = new Map([...blockedNow(parts, read)].filter(([, { isPassing }]) => !isPassing));
  if (blocked.size === 0) return null;
  for (const { id, backend, projectId } of read.tasks.list({ state: 'ready', backend: [...blocked.keys()] })) {
    if (settingsProblem(parts.settingsFor, read.projects.need(projectId).path) !== null) continue;
    parts.store.commit((tx) => {
      const task = tx.tasks.need(id);
      const rerouted = task.state === 'ready' ? reroute(parts, tx, task, blocked.get(backend)?.cause ?? '') : null;
      if (rerouted === null || rerouted.notBefore <= parts.clock.now()) return;
      tx.tasks.move(id, 'ready', 'deferred', rerouted, { actor: 'gantry', cause: rerouted.cause });
    });
  }
  return Math.min(...[...blocked.values()].map(({ until }) => until));
}
