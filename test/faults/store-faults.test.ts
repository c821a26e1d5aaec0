import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { toAppError } from '../../src/contract/errors.ts';
import type { NewFact } from '../../src/store/facts.ts';
import type { Store } from '../../src/store/store.ts';
import { sampleTask } from '../support/rows.ts';
import { codeOf, GANTRY, openStore, seed, temporaryHome, temporaryStore } from '../support/store.ts';

const text = (word: string): NewFact => ({
  kind: 'text',
  data: { partId: word, text: word.repeat(2_000), isTruncated: false },
  subject: {},
  actor: 'gantry',
});

/** SQLite's default. */
const PAGE_BYTES = 4_096;

const words = (store: Store): unknown[] =>
  store.journal
    .since(0, { kinds: ['text'], limit: 10_000 })
    .facts.map((fact) => fact.kind === 'text' && fact.data.partId);

describe('a disk that is full', () => {
  it('is said, loses nothing that was acknowledged, and ends when there is room again', async () => {
    let limit = (_: number): void => undefined;
    await using home = await temporaryStore({
      onOpen: (exec) => {
        limit = (pages) => exec(`PRAGMA max_page_count = ${pages}`);
      },
    });
    const { store } = home;
    seed(store);
    limit(120);
    const saved: string[] = [];
    let failure: unknown = null;
    for (let n = 0; failure === null; n += 1) {
      try {
        await store.observe([text(`a${n}`), text(`b${n}`)]);
        saved.push(`a${n}`, `b${n}`);
      } catch (error) {
        failure = error;
      }
    }
    expect(toAppError(failure)).toMatchObject({ code: 'disk_full', cause: { errcode: 13 } });
    const big = sampleTask(1, { description: 'x'.repeat(100_000) });
    expect(codeOf(() => store.commit((tx) => tx.tasks.insert(big, GANTRY)))).toBe('disk_full');
    expect(saved.length).toBeGreaterThan(5);
    expect(words(store)).toEqual(saved);
    expect(store.read.tasks.count()).toBe(0);
    limit(1_000_000);
    store.commit((tx) => tx.tasks.insert(big, GANTRY));
    await store.observe([text('later')]);
    await store.close();
    await using again = home.reopen();
    expect(words(again)).toEqual([...saved, 'later']);
    expect(again.read.tasks.count()).toBe(1);
  });

  it('cannot be passed over inside of a commit', async () => {
    let limit = (_: number): void => undefined;
    await using home = await temporaryStore({
      onOpen: (exec) => {
        limit = (pages) => exec(`PRAGMA max_page_count = ${pages}`);
      },
    });
    const { store } = home;
    seed(store);
    limit(1);
    const head = store.journal.head();
    const code = codeOf(() =>
      store.commit((tx) => {
        tx.meta.set('before', 'x');
        const big = sampleTask(1, { description: 'x'.repeat(100_000) });
        expect(codeOf(() => tx.tasks.insert(big, GANTRY))).toBe('disk_full');
        tx.meta.set('after', 'x');
      }),
    );
    expect(code).toBe('internal');
    expect(store.read.meta.get('before')).toBeNull();
    expect(store.read.meta.get('after')).toBeNull();
    expect(store.journal.head()).toBe(head);
    store.commit((tx) => tx.meta.set('later', 'x'));
  });

  it('does not stand in the way of pruning', async () => {
    let limit = (_: number): void => undefined;
    await using home = await temporaryStore({
      onOpen: (exec) => {
        limit = (pages) => exec(`PRAGMA max_page_count = ${pages}`);
      },
    });
    const { store, clock } = home;
    await store.observe(Array.from({ length: 100 }, () => text('old')));
    limit(1);
    await expect(store.observe([text('a'), text('b'), text('c'), text('d'), text('e')])).rejects.toMatchObject({
      code: 'disk_full',
    });
    clock.advance(10_000);
    const pruned = await store.prune({ streamMs: 1, observationMs: 1, stateMs: 1, maxBytes: 1e9 }, 60_000);
    expect(pruned).toMatchObject({ removed: 100, isDone: true });
    limit(1_000_000);
    expect(await store.observe([text('new')])).toBe(101);
  });

  it('is said at the start, and leaves nothing that a later start would trip over', async () => {
    await using home = await temporaryHome();
    const full = { onOpen: (exec: (sql: string) => void) => exec('PRAGMA max_page_count = 5') };
    expect(codeOf(() => openStore(home.dir, full))).toBe('disk_full');
    await using store = openStore(home.dir);
    seed(store);
    expect(store.read.requests.count()).toBe(1);
  });
});

describe("another program's lock", () => {
  const impatient = { onOpen: (exec: (sql: string) => void) => exec('PRAGMA busy_timeout = 50') };

  it('is said, loses nothing, and ends with the lock', async () => {
    await using home = await temporaryStore(impatient);
    const { store } = home;
    seed(store);
    const other = new DatabaseSync(join(home.dir, 'gantry.db'));
    other.exec('BEGIN IMMEDIATE');
    expect(codeOf(() => store.commit((tx) => tx.tasks.insert(sampleTask(1), GANTRY)))).toBe('store_locked');
    await expect(store.observe([text('a')])).rejects.toMatchObject({ code: 'store_locked' });
    expect(store.read.tasks.count()).toBe(0);
    other.exec('ROLLBACK');
    other.close();
    store.commit((tx) => tx.tasks.insert(sampleTask(1), GANTRY));
    expect(store.read.tasks.count()).toBe(1);
    expect(await store.observe([text('b')])).toBe(store.journal.head());
  });

  it('does not keep a store from opening whose schema is there', async () => {
    await using home = await temporaryStore(impatient);
    seed(home.store);
    await home.store.close();
    const other = new DatabaseSync(join(home.dir, 'gantry.db'));
    other.exec('BEGIN IMMEDIATE');
    await using store = home.reopen();
    expect(store.read.requests.count()).toBe(1);
    other.exec('ROLLBACK');
    other.close();
  });

  it('is said at the start if the schema must be written', async () => {
    await using home = await temporaryHome();
    const other = new DatabaseSync(join(home.dir, 'gantry.db'));
    other.exec('PRAGMA journal_mode = WAL; BEGIN IMMEDIATE');
    expect(codeOf(() => openStore(home.dir, impatient))).toBe('store_locked');
    other.exec('ROLLBACK');
    other.close();
    await using store = openStore(home.dir, impatient);
    expect(store.journal.head()).toBe(0);
  });
});

it('a commit holds the database from its beginning, before it writes', async () => {
  await using home = await temporaryStore({ onOpen: (exec) => exec('PRAGMA busy_timeout = 50') });
  const { store: a } = home;
  await using b = home.reopen();
  const code = a.commit((tx) => {
    tx.projects.list();
    const refused = codeOf(() => b.commit((other) => other.nextFence()));
    tx.nextFence();
    return refused;
  });
  expect(code).toBe('store_locked');
  expect(b.commit((tx) => tx.nextFence())).toBe(2);
});

it('two stores on one home take turns: no number is given twice, and each sees what the other wrote', async () => {
  await using home = await temporaryStore();
  const { store: a } = home;
  await using b = home.reopen();
  const fences: number[] = [];
  const positions: Promise<number>[] = [];
  for (let n = 0; n < 50; n += 1) {
    const store = n % 2 === 0 ? a : b;
    fences.push(store.commit((tx) => tx.nextFence()));
    positions.push(store.observe([text(`n${n}`)]));
  }
  expect(fences).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
  expect(new Set(await Promise.all(positions)).size).toBe(50);
  expect(words(a)).toHaveLength(50);
  expect(words(b)).toEqual(words(a));
});

it('a damaged page is said when it is read, and the rest stays readable', async () => {
  await using home = await temporaryStore();
  seed(home.store);
  await home.store.observe(Array.from({ length: 200 }, (_, n) => text(`n${n}`)));
  await home.store.close();
  const file = await open(join(home.dir, 'gantry.db'), 'r+');
  const { size } = await file.stat();
  // The second half holds the texts. Whole pages: SQLite has no checksums and takes half a page's damage for other rows.
  const middle = Math.ceil(size / 2 / PAGE_BYTES) * PAGE_BYTES;
  await file.write(Buffer.alloc(size - middle, 0xaa), 0, size - middle, middle);
  await file.close();
  await using store = home.reopen();
  expect(codeOf(() => words(store))).toBe('store_corrupt');
  expect(store.read.requests.need('req_000000001').state).toBe('running');
});
