import { expect, test } from 'vitest';
import { type Merge, MergeState } from '../../src/contract/merge.ts';
import { canRetry, canWithdraw, inOrder, waitsForPerson } from './merges.ts';

test('what waits for a person is first, then the line as it stands, then what is over, newest first', () => {
  const rows = (['merged', 'queued', 'queued', 'merging', 'reviewing', 'withdrawn', 'rejected'] as const).map(
    (state, index) => ({ id: `${state}-${index}`, state, updatedAt: index }) as unknown as Merge,
  );
  const places = new Map([
    ['queued-1', 2],
    ['queued-2', 1],
  ]);
  expect(inOrder(rows, places).map(({ id }) => id)).toEqual([
    'rejected-6',
    'reviewing-4',
    'merging-3',
    'queued-2',
    'queued-1',
    'withdrawn-5',
    'merged-0',
  ]);
});

test('offers what the daemon would do', () => {
  const those = (is: (state: Merge['state']) => boolean) => MergeState.options.filter(is);
  expect(those(canRetry)).toEqual(['rejected', 'withdrawn']);
  expect(those(canWithdraw)).toEqual(['reviewing', 'queued', 'conflict', 'rejected']);
  expect(those((state) => waitsForPerson({ state }))).toEqual(['reviewing', 'rejected']);
});
