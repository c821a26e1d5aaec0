import { expect, test } from 'vitest';
import type { UsageRow } from '../../src/contract/usage-row.ts';
import { costWords, sumOf, sumsBy, tokensOf } from './usage.ts';

const row = (more: Partial<UsageRow>): UsageRow => ({
  day: '2026-11-29',
  project: 'app',
  role: 'worker',
  backend: 'fake',
  model: 'm1',
  sessions: 1,
  unpriced: 0,
  pricedUsd: 0,
  inputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  ...more,
});

test.each([
  [{ sessions: 2, unpriced: 0, pricedUsd: 1.5 }, '$1.50'],
  [{ sessions: 2, unpriced: 1, pricedUsd: 1.5 }, '≥ $1.50, 1 session unpriced'],
  [{ sessions: 2, unpriced: 2, pricedUsd: 0 }, 'unknown'],
  [{ sessions: 1, unpriced: 0, pricedUsd: 0 }, '$0'],
])('the cost of %o is %s', (sum, text) => expect(costWords(row(sum))).toBe(text));

test('sums add every kind of token, and keep what is not priced', () => {
  const sum = sumOf([
    row({ inputTokens: 1, cacheReadTokens: 2, unpriced: 1 }),
    row({ outputTokens: 3, pricedUsd: 0.5 }),
  ]);
  expect([tokensOf(sum), sum.sessions, sum.unpriced, sum.pricedUsd]).toEqual([6, 2, 1, 0.5]);
});

test('most used first, days in their order, and no model is unknown', () => {
  const rows = [
    row({ day: '2026-11-30', inputTokens: 9, model: null }),
    row({ inputTokens: 5 }),
    row({ outputTokens: 7 }),
  ];
  expect(sumsBy(rows, 'day').map(({ key }) => key)).toEqual(['2026-11-29', '2026-11-30']);
  expect(sumsBy(rows, 'model').map(({ key, sum }) => [key, tokensOf(sum)])).toEqual([
    ['m1', 12],
    ['unknown', 9],
  ]);
});
