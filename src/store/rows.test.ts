import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { sampleApproval, sampleAttempt, sampleRequest, sampleTask } from '../../test/support/rows.ts';
import {
  codeOf,
  GANTRY,
  PERSON,
  sampleAgent,
  sampleProject,
  sampleSession,
  seed,
  temporaryStore,
} from '../../test/support/store.ts';
import { toAppError } from '../contract/errors.ts';
import { ENTITIES } from './entities.ts';
import type { Store } from './store.ts';

const insertTasks = (store: Store, count: number): void => {
  store.commit((tx) => {
    for (let n = 1; n <= count; n += 1) tx.tasks.insert(sampleTask(n), GANTRY);
  });
};

describe('insert', () => {
  it('writes the row and its fact', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    seed(store);
    const row = store.commit((tx) => tx.tasks.insert(sampleTask(1, { cause: 'planned' }), GANTRY));
    expect(store.read.tasks.need(row.id)).toEqual(row);
    expect(store.journal.recent(1)).toMatchObject([
      {
        kind: 'task.changed',
        actor: 'gantry',
        projectId: 'prj_000000001',
        requestId: 'req_000000001',
        taskId: row.id,
        data: { from: null, to: 'ready', cause: 'planned', row },
      },
    ]);
  });

  it('refuses an id that is there, a name that is taken, and a parent that is not there', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    seed(store);
    expect(codeOf(() => store.commit((tx) => tx.requests.insert(sampleRequest(), PERSON)))).toBe('conflict');
    const twin = sampleProject({ id: 'prj_000000002' });
    expect(codeOf(() => store.commit((tx) => tx.projects.insert(twin, PERSON)))).toBe('conflict');
    const orphan = sampleTask(1, { requestId: 'req_999999999' });
    expect(codeOf(() => store.commit((tx) => tx.tasks.insert(orphan, GANTRY)))).toBe('not_found');
  });

  it('gives the name of a removed project to another one', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    seed(store);
    store.commit((tx) => {
      tx.projects.move('prj_000000001', 'active', 'removed', {}, PERSON);
      tx.projects.insert(sampleProject({ id: 'prj_000000002' }), PERSON);
    });
    expect(store.read.projects.list({ name: 'demo', state: 'active' })).toHaveLength(1);
  });

  it('refuses a row that does not fit its schema', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    seed(store);
    const wrong = sampleTask(1, { priority: 10 });
    expect(codeOf(() => store.commit((tx) => tx.tasks.insert(wrong, GANTRY)))).toBe('internal');
    expect(store.read.tasks.count()).toBe(0);
  });
});

describe('move', () => {
  it('changes the state with the patch, sets updatedAt and the cause, and writes one fact', async () => {
    await using home = await temporaryStore();
    const { store, clock } = home;
    seed(store);
    insertTasks(store, 1);
    clock.advance(1_000);
    const patch = { attemptId: 'att_000000001', attempts: 1 } as const;
    const row = store.commit((tx) =>
      tx.tasks.move('tsk_000000001', ['ready', 'deferred'], 'assigned', patch, {
        ...GANTRY,
        cause: 'a worker is free',
      }),
    );
    expect(row).toEqual({
      ...sampleTask(1),
      ...patch,
      state: 'assigned',
      cause: 'a worker is free',
      updatedAt: clock.now(),
    });
    expect(store.read.tasks.need(row.id)).toEqual(row);
    expect(store.journal.recent(1)).toMatchObject([
      { attemptId: 'att_000000001', data: { from: 'ready', to: 'assigned', cause: 'a worker is free', row } },
    ]);
  });

  it('forgets the cause of the state before', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    seed(store);
    store.commit((tx) => tx.tasks.insert(sampleTask(1, { state: 'blocked', cause: 'waits for T2' }), GANTRY));
    expect(store.commit((tx) => tx.tasks.move('tsk_000000001', 'blocked', 'ready', {}, GANTRY)).cause).toBeNull();
  });

  it.each([
    ['the row is in another state', ['ready'], 'assigned', ['ready']],
    ['the contract does not allow it', ['done', 'ready'], 'assigned', ['ready']],
    ['the contract never allows it', ['done'], 'working', []],
  ] as const)('is refused when %s', async (_, from, to, accepted) => {
    await using home = await temporaryStore();
    const { store } = home;
    seed(store);
    store.commit((tx) => tx.tasks.insert(sampleTask(1, { state: 'done' }), GANTRY));
    const head = store.journal.head();
    try {
      store.commit((tx) => tx.tasks.move('tsk_000000001', from, to, {}, GANTRY));
      expect.unreachable();
    } catch (thrown) {
      const error = toAppError(thrown);
      expect(error.code).toBe('illegal_move');
      expect(error.message).toContain('tsk_000000001 is done');
      expect(error.details).toEqual({ id: 'tsk_000000001', found: 'done', wanted: to, accepted });
    }
    expect(store.journal.head()).toBe(head);
    expect(store.read.tasks.need('tsk_000000001').state).toBe('done');
  });

  it('lets one of two win', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    seed(store);
    insertTasks(store, 1);
    const claim = () => store.commit((tx) => tx.tasks.move('tsk_000000001', 'ready', 'assigned', {}, GANTRY));
    claim();
    expect(codeOf(claim)).toBe('illegal_move');
  });
});

describe('update', () => {
  it('changes fields, never identity, state or creation', async () => {
    await using home = await temporaryStore();
    const { store, clock } = home;
    seed(store);
    insertTasks(store, 1);
    clock.advance(5);
    const sneaky = { title: 'New', state: 'done', id: 'tsk_000000009', createdAt: 1 } as object;
    const row = store.commit((tx) => tx.tasks.update('tsk_000000001', sneaky, { ...PERSON, cause: 'renamed' }));
    expect(row).toEqual({ ...sampleTask(1), title: 'New', updatedAt: clock.now() });
    expect(store.journal.recent(1)).toMatchObject([{ data: { from: 'ready', to: 'ready', cause: 'renamed', row } }]);
  });

  it('names what is not there', async () => {
    await using home = await temporaryStore();
    expect(codeOf(() => home.store.commit((tx) => tx.tasks.update('tsk_999999999', {}, PERSON)))).toBe('not_found');
  });
});

it('completes the subject of a fact by the parents of the row, and lets meta override it', async () => {
  await using home = await temporaryStore();
  const { store } = home;
  seed(store);
  insertTasks(store, 1);
  store.commit((tx) => {
    tx.attempts.insert(sampleAttempt(1), GANTRY);
    tx.sessions.insert(sampleSession(1), GANTRY);
    tx.approvals.insert(sampleApproval(), { ...GANTRY, subject: { agent: 'demo/worker/other' } });
  });
  const whole = {
    projectId: 'prj_000000001',
    requestId: 'req_000000001',
    taskId: 'tsk_000000001',
    attemptId: 'att_000000001',
    sessionId: 'sess_000000001',
    agent: 'demo/worker/w1',
  };
  expect(store.journal.recent(3)).toMatchObject([whole, whole, { ...whole, agent: 'demo/worker/other' }]);
});

it('masks the fact of a row but for the fields by which it is found', async () => {
  await using home = await temporaryStore();
  const { store } = home;
  const secret = 'sk-abcdefghijklmnop1234';
  store.commit((tx) => tx.agents.insert(sampleAgent(1, { name: secret, model: secret }), GANTRY));
  const [fact] = store.journal.recent(1);
  expect(fact).toMatchObject({ kind: 'agent.changed', data: { row: { name: secret, model: '[redacted]' } } });
});

it('changes no row whose fact cannot be written, even if the error is passed over', async () => {
  await using home = await temporaryStore();
  const { store } = home;
  const wrong = { ...GANTRY, subject: { taskId: 'not an id' as never } };
  store.commit((tx) => {
    tx.agents.insert(sampleAgent(1), GANTRY);
    expect(codeOf(() => tx.agents.insert(sampleAgent(2), wrong))).toBe('internal');
    expect(codeOf(() => tx.agents.update('demo/worker/w1', { model: 'x' }, wrong))).toBe('internal');
  });
  expect(store.read.agents.list()).toEqual([sampleAgent(1)]);
  expect(store.journal.head()).toBe(1);
});

describe('list', () => {
  it('filters by one value, several values and by none', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    seed(store);
    store.commit((tx) => {
      tx.tasks.insert(sampleTask(1, { state: 'done', agent: 'demo/worker/a' }), GANTRY);
      tx.tasks.insert(sampleTask(2, { state: 'failed', agent: 'demo/worker/a' }), GANTRY);
      tx.tasks.insert(sampleTask(3), GANTRY);
    });
    const labels = (rows: readonly { label: string }[]): string[] => rows.map((row) => row.label);
    const { tasks } = store.read;
    expect(labels(tasks.list({ state: 'done' }))).toEqual(['T1']);
    expect(labels(tasks.list({ state: ['ready', 'failed'] }))).toEqual(['T2', 'T3']);
    expect(labels(tasks.list({ state: [] }))).toEqual([]);
    expect(labels(tasks.list({ agent: null }))).toEqual(['T3']);
    expect(labels(tasks.list({ agent: 'demo/worker/a', state: ['failed'] }))).toEqual(['T2']);
    expect(tasks.count({ requestId: 'req_000000001', state: ['done', 'failed'] })).toBe(2);
    expect(tasks.count()).toBe(3);
  });

  it('orders by creation and pages by id, whatever the times and the ids are', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    store.commit((tx) => {
      for (const n of [3, 1, 2]) tx.agents.insert(sampleAgent(n), GANTRY);
    });
    const names = (filter: Parameters<typeof store.read.agents.list>[0]): string[] =>
      store.read.agents.list(filter).map((row) => row.name);
    expect(names({})).toEqual(['w3', 'w1', 'w2']);
    expect(names({ order: 'desc', limit: 2 })).toEqual(['w2', 'w1']);
    expect(names({ after: 'demo/worker/w3', limit: 1 })).toEqual(['w1']);
    expect(names({ after: 'demo/worker/w1', order: 'desc' })).toEqual(['w3']);
    expect(codeOf(() => names({ after: 'demo/worker/w9' }))).toBe('bad_request');
    expect(() => names({ after: 'demo/worker/w9' })).toThrow(/^cursor: /);
  });

  it('refuses a column that it cannot filter on', async () => {
    await using home = await temporaryStore();
    expect(codeOf(() => home.store.read.tasks.list({ title: 'x' } as never))).toBe('bad_request');
  });
});

it('refuses to read a row that does not fit its schema, and names it', async () => {
  await using home = await temporaryStore();
  const { store } = home;
  seed(store);
  insertTasks(store, 2);
  const other = new DatabaseSync(join(home.dir, 'gantry.db'));
  other.exec(`UPDATE tasks SET doc = json_set(doc, '$.budget', 'huge') WHERE id = 'tsk_000000001'`);
  other.close();
  expect(() => store.read.tasks.need('tsk_000000001')).toThrow(/tsk_000000001.*budget/s);
  expect(codeOf(() => store.read.tasks.need('tsk_000000001'))).toBe('store_corrupt');
  expect(store.read.tasks.need('tsk_000000002').label).toBe('T2');
});

it.each(Object.values(ENTITIES).map((entity) => [entity.table, entity] as const))(
  'the columns of %s are those of its table, and every search by state has an index',
  async (table, entity) => {
    await using home = await temporaryStore();
    const database = new DatabaseSync(join(home.dir, 'gantry.db'), { readOnly: true });
    const columns = database.prepare(`SELECT name FROM pragma_table_xinfo('${table}')`).all();
    const plan = database.prepare(`EXPLAIN QUERY PLAN SELECT doc FROM ${table} WHERE state = ?`).all('x');
    database.close();
    expect(columns.map((column) => column.name)).toEqual(['ordinal', 'doc', ...entity.columns]);
    expect(plan.map((step) => step.detail)).toEqual([`SEARCH ${table} USING INDEX ${table}_state (state=?)`]);
  },
);
