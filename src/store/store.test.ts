import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sampleRequest, sampleTask } from '../../test/support/rows.ts';
import {
  codeOf,
  GANTRY,
  openStore,
  PERSON,
  sampleProject,
  seed,
  temporaryHome,
  temporaryStore,
} from '../../test/support/store.ts';

const notice = (text: string) => ({ level: 'info' as const, text });

describe('open', () => {
  it('makes a home and a database that only their owner may read', async () => {
    await using home = await temporaryHome();
    const dir = join(home.dir, 'a', 'b');
    await using store = openStore(dir);
    seed(store);
    const mode = (file: string): number => statSync(join(dir, file)).mode & 0o777;
    expect([mode('.'), mode('gantry.db'), mode('gantry.db-wal'), mode('gantry.db-shm')]).toEqual([
      0o700, 0o600, 0o600, 0o600,
    ]);
  });

  it('finds everything again', async () => {
    await using home = await temporaryHome();
    const first = openStore(home.dir);
    seed(first);
    const fence = first.commit((tx) => tx.nextFence());
    const head = first.journal.head();
    await first.close();
    await using second = openStore(home.dir);
    expect(second.read.requests.need('req_000000001')).toEqual(sampleRequest());
    expect(second.journal.head()).toBe(head);
    expect(second.commit((tx) => tx.nextFence())).toBe(fence + 1);
  });
});

describe('commit', () => {
  it('takes back rows, facts and records together when its function throws', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    seed(store);
    const head = store.journal.head();
    const boom = new Error('boom');
    expect(() =>
      store.commit((tx) => {
        tx.tasks.insert(sampleTask(1), PERSON);
        tx.record('notice', notice('x'), {}, 'gantry');
        tx.meta.set('key', 'value');
        tx.nextFence();
        throw boom;
      }),
    ).toThrow(boom);
    expect(store.read.tasks.count()).toBe(0);
    expect(store.journal.head()).toBe(head);
    expect(store.read.meta.get('key')).toBeNull();
    expect(store.commit((tx) => tx.nextFence())).toBe(1);
  });

  it('reads its own changes', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    seed(store);
    const found = store.commit((tx) => {
      tx.tasks.insert(sampleTask(1), PERSON);
      return tx.tasks.list({ state: 'ready' }).length;
    });
    expect(found).toBe(1);
  });

  it('refuses a commit inside of a commit, and the outer one stays whole', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    store.commit((tx) => {
      tx.projects.insert(sampleProject(), PERSON);
      expect(codeOf(() => store.commit(() => undefined))).toBe('internal');
    });
    expect(store.read.projects.count()).toBe(1);
  });

  it('refuses an asynchronous function and takes its changes back', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    const pending = (tx: Parameters<Parameters<typeof store.commit>[0]>[0]): Promise<void> => {
      tx.projects.insert(sampleProject(), PERSON);
      return Promise.resolve();
    };
    expect(codeOf(() => store.commit(pending))).toBe('internal');
    expect(store.read.projects.count()).toBe(0);
  });

  it('refuses changes through a transaction that is over', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    const tx = store.commit((given) => given);
    expect(codeOf(() => tx.projects.insert(sampleProject(), PERSON))).toBe('internal');
    expect(codeOf(() => tx.record('notice', notice('x'), {}, 'gantry'))).toBe('internal');
    expect(codeOf(() => tx.meta.set('key', 'value'))).toBe('internal');
    expect(store.journal.head()).toBe(0);
  });

  it('writes what was observed before it first', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    const observed = store.observe([{ kind: 'notice', data: notice('first'), subject: {}, actor: 'gantry' }]);
    store.commit((tx) => tx.record('notice', notice('second'), {}, 'gantry'));
    expect(await observed).toBe(1);
    expect(store.journal.since(0).facts.map((fact) => fact.data)).toEqual([notice('first'), notice('second')]);
  });
});

describe('onCommit', () => {
  it('tells the newest position after a commit with facts, until it is stopped', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    const heads: number[] = [];
    const stop = store.onCommit((head) => heads.push(head));
    seed(store);
    store.commit((tx) => tx.meta.set('no', 'fact'));
    expect(codeOf(() => store.commit((tx) => tx.projects.need('prj_999999999')))).toBe('not_found');
    await store.observe([{ kind: 'notice', data: notice('x'), subject: {}, actor: 'gantry' }]);
    stop();
    store.commit((tx) => tx.record('notice', notice('unheard'), {}, 'gantry'));
    expect(heads).toEqual([2, 3]);
  });

  it('lets a listener commit, and outlives one that throws', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    store.onCommit(() => {
      throw new Error('a bad reader');
    });
    store.onCommit((head) => {
      if (head === 1) store.commit((tx) => tx.record('notice', notice('answer'), {}, 'gantry'));
    });
    store.commit((tx) => tx.record('notice', notice('question'), {}, 'gantry'));
    expect(store.journal.head()).toBe(2);
  });
});

describe('record', () => {
  it('completes the subject by its parents and masks secrets', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    seed(store);
    store.commit((tx) => {
      tx.tasks.insert(sampleTask(1), PERSON);
      tx.record('notice', notice('Bearer abcdefghijkl'), { taskId: 'tsk_000000001' }, 'gantry');
    });
    expect(store.journal.recent(1)).toMatchObject([
      {
        kind: 'notice',
        projectId: 'prj_000000001',
        requestId: 'req_000000001',
        taskId: 'tsk_000000001',
        data: notice('Bearer [redacted]'),
      },
    ]);
  });

  it('refuses data that do not fit the kind', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    const wrong = { level: 'loud', text: 'x' } as never;
    expect(codeOf(() => store.commit((tx) => tx.record('notice', wrong, {}, 'gantry')))).toBe('internal');
  });
});

describe('close', () => {
  it('is one closing for all callers, and ends the use of the store with a clear error', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    await Promise.all([store.close(), store.close()]);
    expect(codeOf(() => store.commit((tx) => tx.nextFence()))).toBe('internal');
    expect(codeOf(() => store.read.projects.list())).toBe('internal');
    await expect(
      store.observe([{ kind: 'notice', data: notice('x'), subject: {}, actor: 'gantry' }]),
    ).rejects.toMatchObject({ code: 'internal' });
  });

  it('writes what was observed first', async () => {
    await using home = await temporaryHome();
    const first = openStore(home.dir);
    const observed = first.observe([{ kind: 'notice', data: notice('last'), subject: {}, actor: 'gantry' }]);
    await first.close();
    expect(await observed).toBe(1);
    await using second = openStore(home.dir);
    expect(second.journal.recent(1)).toMatchObject([{ seq: 1, data: notice('last') }]);
  });
});

it('keeps ledger rows exact while their facts are masked', async () => {
  await using home = await temporaryStore();
  const { store } = home;
  const text = 'use Bearer abcdefghijkl';
  store.commit((tx) => {
    tx.projects.insert(sampleProject(), PERSON);
    tx.requests.insert(sampleRequest({ text }), GANTRY);
  });
  expect(store.read.requests.need('req_000000001').text).toBe(text);
  expect(store.journal.recent(1)).toMatchObject([{ data: { row: { text: 'use Bearer [redacted]' } } }]);
});
