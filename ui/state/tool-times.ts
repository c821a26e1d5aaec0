import type { Ref } from 'vue';
import type { Fact } from '../../src/contract/fact.ts';

/** Rows that are looked at for a tool's start, from its end back. */
const FARTHEST = 2_000;

/**
 * Tells how long a tool ran, ms, by the fact of its end; null of other facts, and where its start is not near. Looked for
 * when a row is shown, not for every row that is held.
 */
export function toolTimer(rows: Ref<readonly Fact[]>): (fact: Fact) => number | null {
  const known = new WeakMap<Fact, number>();
  return (fact) => {
    if (fact.kind !== 'tool.ended') return null;
    const before = known.get(fact);
    if (before !== undefined) return before;
    const end = indexOf(rows.value, fact.seq);
    const started = rows.value
      .slice(Math.max(0, end - FARTHEST), end)
      .findLast(
        (row) =>
          row.kind === 'tool.started' && row.sessionId === fact.sessionId && row.data.callId === fact.data.callId,
      );
    if (started === undefined) return null;
    known.set(fact, fact.at - started.at);
    return fact.at - started.at;
  };
}

/** Where a position is, or would be, in rows that are in order. */
function indexOf(rows: readonly Fact[], seq: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.seq ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}
