import type { Merge, Review } from '../../contract/merge.ts';

/** What the order needs to know of one that is in line. */
export type Queued = Pick<Merge, 'id' | 'priority' | 'retries' | 'createdAt' | 'updatedAt'> & {
  readonly requestCreatedAt: number;
};

const HOUR_MS = 3_600_000;

/** Who comes first: the urgent, then the old; what came back again and again loses some of its place. */
export function mergeScore(merge: Queued, now: number): number {
  const requestHours = (now - merge.requestCreatedAt) / HOUR_MS;
  const queuedHours = (now - merge.createdAt) / HOUR_MS;
  const setBack = Math.min(50 * merge.retries, 300);
  return 1_000 + 10 * requestHours + 100 * (4 - merge.priority) - setBack + queuedHours;
}

/** The line of one target, first in front. Pure. */
export const inLine = <M extends Queued>(merges: readonly M[], now: number): M[] =>
  [...merges].sort(
    (a, b) =>
      mergeScore(b, now) - mergeScore(a, now) || a.createdAt - b.createdAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
  );

/**
 * Which are tried together now; none while others may still come: then until when it waits. It waits for others only while
 * the project has work under way, and at most `waitMs` from when the first one joined.
 */
export function nextBatch<M extends Queued>(
  line: readonly M[],
  rules: { readonly max: number; readonly waitMs: number; readonly isMoreComing: boolean; readonly now: number },
): { readonly batch: readonly M[]; readonly until: number | null } {
  const { max, waitMs, isMoreComing, now } = rules;
  if (line.length === 0) return { batch: [], until: null };
  const until = Math.min(...line.map(({ updatedAt }) => updatedAt)) + waitMs;
  if (line.length >= max || !isMoreComing || until <= now) return { batch: line.slice(0, max), until: null };
  return { batch: [], until };
}

/**
 * The first of `count` stacked commits on which the gates fail, given that they fail on the last one: a search by halves.
 * Cost: log2(count) runs of the gates.
 */
export async function firstRed(count: number, isGreen: (index: number) => Promise<boolean>): Promise<number> {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await isGreen(middle)) low = middle + 1;
    else high = middle;
  }
  return high;
}

export type ReviewEnd =
  | { readonly type: 'waiting' | 'approved' }
  | { readonly type: 'changes'; readonly cause: string };

/** What the verdicts come to. One that asks for changes decides; so does the deadline. */
export function reviewEnd(
  { reviews, reviewUntil }: { readonly reviews: readonly Review[]; readonly reviewUntil: number | null },
  needed: number,
  now: number,
): ReviewEnd {
  const changes = reviews.find(({ verdict }) => verdict === 'changes');
  if (changes) return { type: 'changes', cause: `${changes.by} asks for changes: ${changes.text || 'no words'}` };
  const approvals = reviews.filter(({ verdict }) => verdict === 'approve').length;
  if (approvals >= needed) return { type: 'approved' };
  if (reviewUntil === null || reviewUntil > now) return { type: 'waiting' };
  return { type: 'changes', cause: `${approvals} of ${needed} approvals came in time: no answer counts as changes` };
}
