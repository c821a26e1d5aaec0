import { expect, test } from 'vitest';
import { NO_USAGE } from '../../contract/usage.ts';
import { summarize, type UsageEntry } from './usage-summary.ts';

const entry = (
  more: Partial<UsageEntry> & { readonly input?: number; readonly costUsd?: number | null },
): UsageEntry => {
  const { input = 10, costUsd = null, ...rest } = more;
  return {
    at: Date.UTC(2026, 10, 29, 12),
    project: 'app',
    role: 'worker',
    backend: 'fake',
    model: 'm1',
    usage: { ...NO_USAGE, inputTokens: input, costUsd },
    ...rest,
  };
};

test('sums what is alike, and keeps apart what has no price', () => {
  const rows = summarize([
    entry({ costUsd: 0.5 }),
    entry({}),
    entry({ input: 0, costUsd: null }),
    entry({ costUsd: 0.25 }),
  ]);
  expect(rows).toEqual([
    expect.objectContaining({ day: '2026-11-29', sessions: 4, unpriced: 1, pricedUsd: 0.75, inputTokens: 30 }),
  ]);
});

test('every day, project, role, backend and model has a row of its own, the newest day first', () => {
  const next = Date.UTC(2026, 10, 30);
  const rows = summarize([
    entry({}),
    entry({ at: next }),
    entry({ project: null }),
    entry({ role: 'planner' }),
    entry({ backend: 'opencode' }),
    entry({ model: null }),
  ]);
  expect(rows).toHaveLength(6);
  expect(rows[0]).toMatchObject({ day: '2026-11-30' });
});
