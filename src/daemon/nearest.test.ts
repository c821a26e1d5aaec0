import { expect, test } from 'vitest';
import { nearest } from './nearest.ts';

test.each([
  ['plannr', 'planner'],
  ['max_tasks', 'maxTasks'],
  ['lmiits', 'limits'],
  ['Policy', 'policy'],
  ['zebra', null],
  ['', null],
])('%s → %s', (name, expected) => {
  expect(nearest(name, ['planner', 'policy', 'limits', 'maxTasks'])).toBe(expected);
});
