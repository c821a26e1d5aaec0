import type { Fact } from '../../src/contract/fact.ts';
import { FAMILIES, type Family, familyOf } from './fact-words.ts';

const BARS = 60;

export type Pulse = {
  /** ms, where the first bar begins. */
  readonly from: number;
  readonly bucketMs: number;
  readonly bars: readonly { readonly parts: readonly { family: Family; count: number; below: number }[] }[];
  readonly totals: Readonly<Record<Family, number>>;
  readonly total: number;
  /** In one bar. */
  readonly most: number;
};

/** How many facts of each family came in each of sixty equal stretches up to `now`. */
export function pulseOf(rows: readonly Fact[], now: number, windowMs: number): Pulse {
  const bucketMs = windowMs / BARS;
  const from = now - windowMs;
  const counts = Array.from({ length: BARS }, () => new Map<Family, number>());
  const totals = Object.fromEntries(FAMILIES.map((family) => [family, 0])) as Record<Family, number>;
  let total = 0;
  // The newest are at the end: what is older than the window is not looked at, clocks that went back excepted.
  for (let index = rows.length - 1; index >= 0; index -= 1) {
    const fact = rows[index];
    if (fact === undefined || fact.at <= from) break;
    if (fact.at > now) continue;
    const family = familyOf(fact);
    const bucket = counts[Math.min(BARS - 1, Math.floor((fact.at - from) / bucketMs))];
    bucket?.set(family, (bucket.get(family) ?? 0) + 1);
    totals[family] += 1;
    total += 1;
  }
  const bars = counts.map((bucket) => {
    let below = 0;
    const parts = FAMILIES.flatMap((family) => {
      const count = bucket.get(family) ?? 0;
      if (count === 0) return [];
      const part = { family, count, below };
      below += count;
      return [part];
    });
    return { parts, sum: below };
  });
  return { from, bucketMs, bars, totals, total, most: Math.max(...bars.map(({ sum }) => sum)) };
}
