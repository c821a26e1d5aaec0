import { expect, test } from 'vitest';
import { type Branch, troubleBelow } from './session-tree.ts';

const branch = (what: Branch['what'], state: string, ...children: Branch[]): Branch => ({
  ...{ id: what, what, name: what, state, used: null, children },
});
const failed = branch('attempt', 'failed', branch('session', 'failed'));
const done = branch('attempt', 'done', branch('session', 'stopped'));

test('a task that a person must decide on waits, and its failed attempt is told too', () => {
  const request = branch('request', 'running', branch('task', 'waiting', failed));
  expect(troubleBelow(request)).toEqual({ failed: 1, waiting: 1 });
});

test('an attempt that failed is told until its task is done', () => {
  const under = (state: string, ...more: Branch[]): Branch => branch('task', state, failed, ...more);
  const request = (task: Branch): Branch => branch('request', 'running', task);
  expect(troubleBelow(request(under('working', branch('attempt', 'working'))))).toEqual({ failed: 1, waiting: 0 });
  expect(troubleBelow(under('done', done))).toEqual({ failed: 0, waiting: 0 });
  expect(troubleBelow(request(under('done', done)))).toEqual({ failed: 0, waiting: 0 });
});
