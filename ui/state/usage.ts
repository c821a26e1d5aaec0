import type { UsageRow } from '../../src/contract/usage-row.ts';
import { money, plural } from './words.ts';

export const DIMENSIONS = ['day', 'project', 'role', 'backend', 'model'] as const;
export type Dimension = (typeof DIMENSIONS)[number];

export type UsageSum = Omit<UsageRow, Dimension | 'pricedBy'>;

const NOTHING: UsageSum = {
  sessions: 0,
  unpriced: 0,
  pricedUsd: 0,
  inputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
};

export const sumOf = (rows: readonly UsageSum[]): UsageSum =>
  rows.reduce((sum, row) => {
    const keys = Object.keys(NOTHING) as (keyof UsageSum)[];
    return Object.fromEntries(keys.map((key) => [key, sum[key] + row[key]])) as UsageSum;
  }, NOTHING);

/** The sums by one dimension, most used first; days in their order. */
export function sumsBy(rows: readonly UsageRow[], by: Dimension): { readonly key: string; readonly sum: UsageSum }[] {
  const groups = [...Map.groupBy(rows, (row) => row[by] ?? 'unknown')];
  const sums = groups.map(([key, own]) => ({ key, sum: sumOf(own) }));
  if (by === 'day') return sums.sort((a, b) => a.key.localeCompare(b.key));
  return sums.sort((a, b) => tokensOf(b.sum) - tokensOf(a.sum));
}

/** The prices by which Gantry worked costs out: source and date. */
export const pricesOf = (rows: readonly UsageRow[]): readonly string[] => [
  ...new Set(rows.flatMap(({ pricedBy }) => pricedBy?.split('; ') ?? [])),
];

export const tokensOf = (sum: UsageSum): number =>
  sum.inputTokens + sum.outputTokens + sum.reasoningTokens + sum.cacheReadTokens + sum.cacheWriteTokens;

/** Of how many sessions the cost is the sum, and of how many it is not known. */
export type Priced = Pick<UsageSum, 'sessions' | 'unpriced' | 'pricedUsd'>;

/** `$1.20`, `unknown`, or `≥ $1.20, 3 sessions unpriced`: what is not known is never counted as nothing. */
export function costWords({ sessions, unpriced, pricedUsd }: Priced): string {
  if (sessions === 0) return '–';
  if (unpriced === 0) return money(pricedUsd);
  if (pricedUsd === 0) return 'unknown';
  return `≥ ${money(pricedUsd)}, ${plural(unpriced, 'session')} unpriced`;
}
