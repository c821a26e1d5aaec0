import { describe, expect, it } from 'vitest';
import { sampleTask } from '../../../test/support/rows.ts';
import type { Failure } from '../../contract/failure.ts';
import type { TaskState } from '../../contract/task.ts';
import { endOf } from './finish.ts';

const failure: Failure = { class: 'model', message: 'it broke', resetAt: null };
const tasks = (...states: TaskState[]) =>
  states.map((state, n) => sampleTask(n + 1, { label: `T${n + 1}`, state, cause: null, failure }));

describe('endOf', () => {
  it('waits while a task can still move by itself', () => {
    for (const state of ['blocked', 'ready', 'deferred', 'assigned', 'working', 'verifying'] as const) {
      expect(endOf(tasks('done', state))).toBeNull();
    }
  });

  it('is done when every task is', () => {
    expect(endOf(tasks('done', 'done'))).toEqual({ state: 'done', cause: null, failure: null });
  });

  it('fails with the first failure when a task failed or waits for a person', () => {
    expect(endOf(tasks('done', 'waiting', 'cancelled'))).toMatchObject({ state: 'failed', failure });
    expect(endOf(tasks('failed'))?.cause).toBe('1 of 1 tasks failed: T1 (failed)');
  });

  it('is done with a word about it when a person cancelled some of the tasks, cancelled when all', () => {
    expect(endOf(tasks('done', 'cancelled'))).toMatchObject({ state: 'done', cause: '1 of 2 tasks were cancelled' });
    expect(endOf(tasks('cancelled', 'cancelled'))?.state).toBe('cancelled');
  });
});
