import { describe, expect, it } from 'vitest';
import { makeRepository } from '../../../test/support/repository.ts';
import { sampleRequest, sampleTask } from '../../../test/support/rows.ts';
import { PERSON, sampleProject, temporaryStore } from '../../../test/support/store.ts';
import { silentLog } from '../../base/log.ts';
import type { Failure } from '../../contract/failure.ts';
import type { TaskState } from '../../contract/task.ts';
import { Git } from '../../git/git.ts';
import { Collector } from '../attempts/collect.ts';
import { Workspaces } from '../attempts/workspace.ts';
import type { Parts } from '../parts.ts';
import { endOf, finishRequests } from './finish.ts';

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

describe('finishRequests', () => {
  const failed = async () => {
    const stack = new AsyncDisposableStack();
    const { store, clock } = stack.use(await temporaryStore());
    const repo = stack.use(await makeRepository());
    const [task] = tasks('failed');
    if (!task) return expect.unreachable();
    store.commit((tx) => {
      tx.projects.insert(sampleProject({ path: repo.root }), PERSON);
      tx.requests.insert(sampleRequest(), PERSON);
      tx.tasks.insert(task, PERSON);
    });
    const parts = { store, clock, log: silentLog, workspaces: repo.beside('workspaces') } as unknown as Parts;
    const git = new Git(repo.env);
    const finish = () => finishRequests(parts, new Collector(parts, git, new Workspaces(parts, git)), () => false);
    const state = () => store.read.requests.need(task.requestId).state;
    return { store, task, finish, state, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  };

  it('ends what can get no further', async () => {
    await using test = await failed();
    await test.finish();
    expect(test.state()).toBe('failed');
  });

  it('leaves a request alone whose task is tried again while its result is read', async () => {
    await using test = await failed();
    const finishing = test.finish();
    test.store.commit((tx) => tx.tasks.move(test.task.id, 'failed', 'ready', {}, PERSON));
    await finishing;
    expect(test.state()).toBe('running');
  });
});
