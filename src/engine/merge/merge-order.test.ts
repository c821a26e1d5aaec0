import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Review } from '../../contract/merge.ts';
import { firstRed, inLine, nextBatch, type Queued, reviewEnd } from './merge-order.ts';

const HOUR = 3_600_000;
const NOW = 1_000 * HOUR;

const queued = (id: string, changes: Partial<Queued> = {}): Queued => ({
  id: `mrg_${id.padEnd(6, '0')}`,
  priority: 2,
  retries: 0,
  createdAt: NOW,
  updatedAt: NOW,
  requestCreatedAt: NOW,
  ...changes,
});
const ids = (merges: readonly Queued[]): string[] => merges.map(({ id }) => id.slice(4, 5));

describe('the order in line', () => {
  it.each([
    ['the urgent come first', [queued('a'), queued('b', { priority: 0 })], ['b', 'a']],
    [
      'ten hours of age of a request weigh a step of priority',
      [queued('a', { priority: 1 }), queued('b', { requestCreatedAt: NOW - 11 * HOUR })],
      ['b', 'a'],
    ],
    ['what came back loses some of its place', [queued('a', { retries: 1 }), queued('b')], ['b', 'a']],
    [
      'equals stay in the order of their coming',
      [queued('b', { createdAt: NOW }), queued('a', { createdAt: NOW })],
      ['a', 'b'],
    ],
  ])('%s', (_, merges, expected) => {
    expect(ids(inLine(merges, NOW))).toEqual(expected);
  });

  it('lets what came back often come up again with age', () => {
    const worn = queued('a', { retries: 1_000, requestCreatedAt: NOW - 31 * HOUR });
    expect(ids(inLine([queued('b'), worn], NOW))).toEqual(['a', 'b']);
  });
});

describe('a batch', () => {
  const rules = { max: 3, waitMs: 30_000, isMoreComing: true, now: NOW };
  const line = [queued('a'), queued('b')];

  it('waits for others while work is under way, and says until when', () => {
    expect(nextBatch(line, rules)).toEqual({ batch: [], until: NOW + 30_000 });
  });
  it.each([
    ['nothing else is under way', { ...rules, isMoreComing: false }, 2],
    ['the first one has waited long enough', { ...rules, now: NOW + 30_000 }, 2],
    ['it is full', { ...rules, max: 2 }, 2],
    ['more are there than fit', { ...rules, max: 1 }, 1],
  ])('is taken when %s', (_, given, size) => {
    expect(nextBatch(line, given)).toEqual({ batch: line.slice(0, size), until: null });
  });
  it('is empty where nobody is in line', () => {
    expect(nextBatch([], rules)).toEqual({ batch: [], until: null });
  });
});

it('the first red commit of a stack is found in as many runs as halving takes', async () => {
  const stacks = fc.integer({ min: 1, max: 64 }).chain((count) => fc.tuple(fc.constant(count), fc.nat(count - 1)));
  await fc.assert(
    fc.asyncProperty(stacks, async ([count, red]) => {
      let runs = 0;
      const found = await firstRed(count, async (index) => {
        runs += 1;
        return index < red;
      });
      expect(found).toBe(red);
      expect(runs).toBeLessThanOrEqual(Math.ceil(Math.log2(count)));
    }),
  );
});

describe('a review', () => {
  const verdict = (by: string, kind: Review['verdict'], text = ''): Review => ({ by, verdict: kind, text, at: NOW });

  it.each([
    ['is approved by enough verdicts', [verdict('a', 'approve'), verdict('b', 'approve')], null, 'approved'],
    ['waits for the missing ones', [verdict('a', 'approve')], NOW + 1, 'waiting'],
    ['ends as changes when they do not come in time', [verdict('a', 'approve')], NOW, 'changes'],
    [
      'ends as changes by one who asks for them',
      [verdict('a', 'approve'), verdict('b', 'changes')],
      NOW + 1,
      'changes',
    ],
  ])('%s', (_, reviews, reviewUntil, type) => {
    expect(reviewEnd({ reviews, reviewUntil }, 2, NOW)).toMatchObject({ type });
  });
});
