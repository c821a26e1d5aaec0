import { describe, expect, it } from 'vitest';
import { sampleTask } from '../../test/support/rows.ts';
import { GANTRY, sampleSession, seed, temporaryStore } from '../../test/support/store.ts';
import type { NewEvent } from './events.ts';
import type { NewFact } from './facts.ts';
import type { RetentionLimits } from './retention.ts';

const DAY = 86_400_000;
const KEEP: RetentionLimits = { streamMs: DAY, observationMs: DAY, stateMs: DAY, maxBytes: 1e12 };
const MINUTE = 60_000;

const text = (words: string): NewFact => ({
  kind: 'text',
  data: { partId: 'p', text: words, isTruncated: false },
  subject: {},
  actor: 'gantry',
});
const delta: NewFact = { kind: 'text.delta', data: { partId: 'p', text: 'x' }, subject: {}, actor: 'gantry' };

const event = (session: string, over: Pick<NewEvent, 'at'> & Partial<NewEvent>): NewEvent => ({
  source: 'app',
  session,
  type: 'Stop',
  text: '{"source_app":"app","session_id":"s","hook_event_type":"Stop","timestamp":1,"payload":{}}',
  notes: { token: null },
  chat: null,
  repeat: null,
  actor: 'test',
  ...over,
});

const repeat = (fact: NewFact, count: number): NewFact[] => Array.from({ length: count }, () => fact);

describe('prune', () => {
  it('removes by class and age, oldest first, and leaves younger ones and the ledger', async () => {
    await using home = await temporaryStore();
    const { store, clock } = home;
    seed(store);
    await store.observe([text('old'), delta]);
    clock.advance(2 * DAY);
    await store.observe([text('young'), delta]);
    const pruned = await store.prune({ ...KEEP, stateMs: 3 * DAY }, MINUTE);
    expect(pruned).toEqual({ removed: 2, isDone: true, isOverSize: false });
    expect(store.journal.since(0).facts.map((fact) => fact.seq)).toEqual([1, 2, 5, 6]);
    await store.prune(KEEP, MINUTE);
    expect(store.journal.since(0).facts.map((fact) => fact.seq)).toEqual([5, 6]);
    expect(store.read.requests.count()).toBe(1);
    expect(store.read.projects.count()).toBe(1);
  });

  it('removes what was noted of sessions that have ended, some time after that', async () => {
    await using home = await temporaryStore();
    const { store, clock } = home;
    seed(store);
    store.commit((tx) => {
      const endedAt = clock.now();
      tx.sessions.insert(sampleSession(1, { attemptId: null, state: 'stopped', endedAt }), GANTRY);
      tx.sessions.insert(sampleSession(2, { attemptId: null, state: 'paused' }), GANTRY);
      for (const note of ['told', 'turn', 'other'])
        for (const n of [1, 2]) tx.meta.set(`${note}:sess_00000000${n}`, 'x');
    });
    const left = (): string[] =>
      ['told', 'turn', 'other'].flatMap((note) =>
        [1, 2].map((n) => `${note}:sess_00000000${n}`).filter((key) => store.read.meta.get(key) !== null),
      );
    await store.prune(KEEP, MINUTE);
    expect(left()).toHaveLength(6);
    clock.advance(2 * DAY);
    await store.prune(KEEP, MINUTE);
    expect(left()).toEqual([
      'told:sess_000000002',
      'turn:sess_000000002',
      'other:sess_000000001',
      'other:sess_000000002',
    ]);
  });

  it('tells readers from before what was removed that something is missing, but not for text on its way', async () => {
    await using home = await temporaryStore();
    const { store, clock } = home;
    await store.observe([text('old'), delta, delta]);
    clock.advance(2 * DAY);
    await store.prune({ ...KEEP, observationMs: 9 * DAY }, MINUTE);
    expect(store.journal.since(0)).toMatchObject({ facts: [{ seq: 1 }], next: 3, prunedTo: 0 });
    await store.prune(KEEP, MINUTE);
    expect(store.journal.since(0)).toEqual({ facts: [], next: 3, prunedTo: 1 });
  });

  it('never uses a number again', async () => {
    await using home = await temporaryStore();
    const { store, clock } = home;
    await store.observe([text('old')]);
    clock.advance(2 * DAY);
    await store.prune(KEEP, MINUTE);
    expect(store.journal.head()).toBe(1);
    expect(await store.observe([text('new')])).toBe(2);
  });

  it('removes the oldest observations, never facts of state, while the database is too large', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    seed(store);
    store.commit((tx) => tx.tasks.insert(sampleTask(1), GANTRY));
    for (let i = 0; i < 3; i += 1) await store.observe([...repeat(text('x'.repeat(2_000)), 2_000), delta]);
    const { usedBytes } = store.size();
    const maxBytes = Math.round(usedBytes / 2);
    const pruned = await store.prune({ ...KEEP, maxBytes }, MINUTE);
    expect(pruned).toMatchObject({ isDone: true, isOverSize: false });
    expect(store.size().usedBytes).toBeLessThanOrEqual(maxBytes);
    expect(store.size().usedBytes).toBeGreaterThan(maxBytes * 0.7);
    const [oldest] = store.journal.since(0, { kinds: ['text'], limit: 1 }).facts;
    expect(oldest?.seq).toBeGreaterThan(2_000);
    expect(store.journal.recent(1, { kinds: ['text'] })).toMatchObject([{ seq: store.journal.head() - 1 }]);
    expect(store.journal.since(0, { kinds: ['task.changed', 'request.changed'] }).facts).toHaveLength(2);
  });

  it('removes what agents said and what outside programs reported in their common order', async () => {
    await using home = await temporaryStore();
    const { store, clock } = home;
    const at = clock.now();
    for (let i = 0; i < 4; i += 1) {
      await store.observe(repeat(text('x'), 100));
      await store.observeEvents(Array.from({ length: 100 }, () => event('s', { at })));
    }
    clock.advance(2 * DAY);
    expect(await store.prune(KEEP, 0)).toMatchObject({ removed: 500, isDone: false });
    expect(store.journal.since(0, { limit: 1 })).toMatchObject({ facts: [{ seq: 501 }], prunedTo: 500 });
    expect(await store.prune(KEEP, MINUTE)).toMatchObject({ removed: 300, isDone: true });
  });

  it("forgets a sender's keys after a day, and a transcript with the last event that it came with", async () => {
    await using home = await temporaryStore();
    const { store, clock } = home;
    const keyed = (session: string, key: string, chat: readonly string[]): NewEvent =>
      event(session, { at: clock.now(), chat, repeat: { scope: 'none', key } });
    await store.observeEvents([keyed('a', 'k1', ['1']), keyed('b', 'k2', ['2'])]);
    clock.advance(2 * DAY);
    await store.observeEvents([keyed('b', 'k3', ['2', '3'])]);
    const keep = { ...KEEP, observationMs: 9 * DAY };
    expect(await store.prune(keep, MINUTE)).toMatchObject({ removed: 2, isDone: true });
    expect([store.events.chat(1, 1), store.events.chat(2, 1)]).toEqual(['[1]', '[2]']);
    expect(JSON.parse(store.events.names())).toMatchObject({ session_ids: ['b', 'a'] });
    expect(await store.prune(KEEP, MINUTE)).toMatchObject({ removed: 3, isDone: true });
    expect(JSON.parse(store.events.names())).toMatchObject({ source_apps: ['app'], session_ids: ['b'] });
    expect([store.events.chat(1, 1), store.events.chat(2, 2)]).toEqual([null, '[2,3]']);
    expect(await store.observeEvents([keyed('b', 'k3', [])])).toEqual([3]);
    clock.advance(2 * DAY);
    await store.prune(KEEP, MINUTE);
    expect(store.events.chat(2, 2)).toBeNull();
    const none = { source_apps: [], session_ids: [], hook_event_types: [] };
    expect(JSON.parse(store.events.names())).toEqual(none);
    await using again = home.reopen();
    expect(JSON.parse(again.events.names())).toEqual(none);
  });

  it('gives the room back to the file system', async () => {
    await using home = await temporaryStore();
    const { store, clock } = home;
    await store.observe(repeat(text('x'.repeat(2_000)), 5_000));
    await store.close();
    const before = home.reopen();
    const { fileBytes } = before.size();
    clock.advance(2 * DAY);
    await before.prune(KEEP, MINUTE);
    await before.close();
    await using after = home.reopen();
    expect(fileBytes).toBeGreaterThan(10_000_000);
    expect(after.size().fileBytes).toBeLessThan(1_000_000);
  });

  it('says that it is still too large when only state is left', async () => {
    await using home = await temporaryStore();
    seed(home.store);
    await home.store.observe([text('x')]);
    const pruned = await home.store.prune({ ...KEEP, maxBytes: 1 }, MINUTE);
    expect(pruned).toEqual({ removed: 1, isDone: true, isOverSize: true });
    expect(home.store.journal.since(0).facts).toHaveLength(2);
  });

  it('looks once, not in every batch, for what goes by its age alone', async () => {
    let commits = 0;
    const onCommit = (): null => {
      commits += 1;
      return null;
    };
    await using home = await temporaryStore({ onCommit });
    const { store, clock } = home;
    const commitsFor = async (count: number): Promise<number> => {
      await store.observe(repeat(text('x'), count));
      clock.advance(2 * DAY);
      commits = 0;
      await store.prune(KEEP, MINUTE);
      return commits;
    };
    // One to remove facts, one to look for transcripts.
    expect((await commitsFor(2_000)) - (await commitsFor(500))).toBe(3 * 2);
  });

  it('stops when its time is up, lets others in between, and goes on when called again', async () => {
    await using home = await temporaryStore();
    const { store, clock } = home;
    await store.observe(repeat(text('x'), 2_000));
    clock.advance(2 * DAY);
    const first = await store.prune(KEEP, 0);
    expect(first).toEqual({ removed: 500, isDone: false, isOverSize: false });
    const second = store.prune(KEEP, MINUTE);
    const during = await store.observe([text('during')]);
    expect(await second).toMatchObject({ removed: 1_500, isDone: true });
    expect(during).toBe(2_001);
    expect(store.journal.since(0).facts).toMatchObject([{ seq: 2_001 }]);
  });

  it('ends when the store closes', async () => {
    await using home = await temporaryStore();
    const { store, clock } = home;
    await store.observe(repeat(text('x'), 2_000));
    clock.advance(2 * DAY);
    const pruning = store.prune(KEEP, MINUTE);
    await store.close();
    expect(await pruning).toMatchObject({ isDone: false });
  });

  it('forgets idempotency keys as old as an old observation', async () => {
    await using home = await temporaryStore();
    const { store, clock } = home;
    store.commit((tx) => tx.idempotency.put('s', 'old', { inputHash: 'h', output: 'o' }));
    clock.advance(2 * DAY);
    store.commit((tx) => tx.idempotency.put('s', 'new', { inputHash: 'h', output: 'o' }));
    await store.prune(KEEP, MINUTE);
    expect(store.read.idempotency.get('s', 'old')).toBeNull();
    expect(store.read.idempotency.get('s', 'new')).not.toBeNull();
  });
});
