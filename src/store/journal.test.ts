import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { sampleAttempt, sampleTask } from '../../test/support/rows.ts';
import { codeOf, GANTRY, sampleSession, seed, temporaryStore } from '../../test/support/store.ts';
import type { NewEvent } from './events.ts';
import type { NewFact } from './facts.ts';
import type { Store } from './store.ts';

const text = (n: number, subject: NewFact['subject'] = {}): NewFact => ({
  kind: 'text',
  data: { partId: `part${n}`, text: String(n), isTruncated: false },
  subject,
  actor: 'agent:demo/worker/w1',
});

const observed = (source_app: string): NewEvent => {
  const said = { source_app, session_id: 'native', hook_event_type: 'Stop', payload: {}, timestamp: 1 };
  const names = { source: source_app, session: 'native', type: 'Stop' };
  return { at: 1, ...names, text: JSON.stringify(said), notes: { token: null }, chat: null, repeat: null, actor: 'x' };
};

const observe = (store: Store, count: number, subject?: NewFact['subject']): Promise<number> =>
  store.observe(Array.from({ length: count }, (_, i) => text(i + 1, subject)));

const seqs = (facts: readonly { seq: number }[]): number[] => facts.map((fact) => fact.seq);

describe('since', () => {
  it('gives the whole fact', async () => {
    await using home = await temporaryStore();
    const { store, clock } = home;
    await observe(store, 1, { sessionId: 'sess_000000001', agent: 'demo/worker/w1' });
    expect(store.journal.since(0)).toEqual({
      facts: [
        {
          seq: 1,
          at: clock.now(),
          kind: 'text',
          projectId: null,
          requestId: null,
          taskId: null,
          attemptId: null,
          sessionId: 'sess_000000001',
          agent: 'demo/worker/w1',
          actor: 'agent:demo/worker/w1',
          data: { partId: 'part1', text: '1', isTruncated: false },
        },
      ],
      next: 1,
      prunedTo: 0,
    });
  });

  it('pages without holes or repeats, and ends at the head', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    await observe(store, 25);
    const read: number[] = [];
    let cursor = 0;
    while (cursor < store.journal.head()) {
      const page = store.journal.since(cursor, { limit: 10 });
      read.push(...seqs(page.facts));
      cursor = page.next;
    }
    expect(read).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
    expect(store.journal.since(cursor)).toEqual({ facts: [], next: 25, prunedTo: 0 });
  });

  it('filters by subject and kind, and its cursor passes over what does not fit', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    await observe(store, 3, { sessionId: 'sess_000000001' });
    await observe(store, 3, { sessionId: 'sess_000000002', requestId: 'req_000000001' });
    store.commit((tx) => {
      tx.record('notice', { level: 'info', text: 'a' }, { sessionId: 'sess_000000001' }, 'gantry');
      tx.record('usage', { usage: usage() }, { sessionId: 'sess_000000001' }, 'gantry');
    });
    const { since } = store.journal;
    expect(since(0, { sessionId: 'sess_000000002', limit: 10 })).toMatchObject({ next: 8 });
    expect(seqs(since(0, { sessionId: 'sess_000000002' }).facts)).toEqual([4, 5, 6]);
    expect(seqs(since(0, { requestId: 'req_000000001', kinds: ['text'] }).facts)).toEqual([4, 5, 6]);
    expect(seqs(since(2, { sessionId: 'sess_000000001', kinds: ['text', 'notice'] }).facts)).toEqual([3, 7]);
    expect(seqs(since(0, { kinds: ['notice', 'usage'] }).facts)).toEqual([7, 8]);
    expect(since(0, { kinds: ['notice'] })).toMatchObject({ facts: [{ seq: 7 }], next: 8 });
    expect(since(0, { kinds: [] })).toMatchObject({ facts: [], next: 8 });
  });

  it('stops a page before it grows over 8 MB', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    const big: NewFact = {
      ...text(1),
      kind: 'text',
      data: { partId: 'p', text: 'x'.repeat(3_000_000), isTruncated: false },
    };
    await store.observe([big, big, big, big, big]);
    const page = store.journal.since(0);
    expect(seqs(page.facts)).toEqual([1, 2, 3]);
    expect(page.next).toBe(3);
    expect(seqs(store.journal.since(3).facts)).toEqual([4, 5]);
    expect(seqs(store.journal.recent(5))).toEqual([3, 4, 5]);
    expect(await store.journal.newest(5)).toMatchObject({ facts: [{ seq: 3 }, { seq: 4 }, { seq: 5 }], isCut: true });
  });

  it.each([-1, 1.5, Number.NaN, 3])('refuses the cursor %s, which it never gave', async (cursor) => {
    await using home = await temporaryStore();
    await observe(home.store, 2);
    expect(codeOf(() => home.store.journal.since(cursor))).toBe('bad_request');
  });

  it('refuses a page of nothing', async () => {
    await using home = await temporaryStore();
    expect(codeOf(() => home.store.journal.since(0, { limit: 0 }))).toBe('bad_request');
  });

  it('puts a notice in the place of a fact that it cannot read', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    await observe(store, 3);
    const other = new DatabaseSync(join(home.dir, 'gantry.db'));
    other.exec(`UPDATE fact SET data = '{"partId":1}' WHERE seq = 1; UPDATE fact SET data = '{' WHERE seq = 2`);
    other.close();
    expect(store.journal.since(0).facts).toMatchObject([
      { seq: 1, kind: 'notice', data: { level: 'error', text: expect.stringContaining('fact 1 (text)') } },
      { seq: 2, kind: 'notice' },
      { seq: 3, kind: 'text' },
    ]);
  });
});

describe('recent', () => {
  it('gives the newest, oldest of them first', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    await observe(store, 5, { sessionId: 'sess_000000001' });
    await observe(store, 5);
    expect(seqs(store.journal.recent(3))).toEqual([8, 9, 10]);
    expect(seqs(store.journal.recent(3, { sessionId: 'sess_000000001' }))).toEqual([3, 4, 5]);
  });
});

describe('a filter that no index serves', () => {
  it('gives short pages, and in the end everything', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    await observe(store, 1, { agent: 'demo/worker/w1' });
    for (let i = 0; i < 6; i += 1) await observe(store, 20_000);
    await observe(store, 1, { agent: 'demo/worker/w1' });
    const filter = { agent: 'demo/worker/w1' };
    expect(store.journal.since(0, filter)).toMatchObject({ facts: [{ seq: 1 }], next: 100_000 });
    expect(store.journal.since(100_000, filter)).toMatchObject({ facts: [{ seq: 120_002 }], next: 120_002 });
    expect(seqs(store.journal.recent(10, filter))).toEqual([120_002]);
    const newest = store.journal.newest(10, filter);
    await observe(store, 1, { agent: 'demo/worker/w1' });
    expect(await newest).toMatchObject({ facts: [{ seq: 1 }, { seq: 120_002 }], isCut: false });
    expect(await store.journal.newest(2, filter)).toMatchObject({
      facts: [{ seq: 120_002 }, { seq: 120_003 }],
      isCut: true,
    });
  });

  it('looks for the events of a source, whose names are within them, in shorter stretches', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    await store.observeEvents([observed('demo-app')]);
    await observe(store, 20_000);
    const filter = { sources: ['demo-app'] };
    expect(store.journal.since(0, filter)).toMatchObject({ facts: [{ seq: 1 }], next: 20_000 });
    expect(store.journal.since(20_000, filter)).toMatchObject({ facts: [], next: 20_001 });
    expect(store.journal.recent(10, filter)).toEqual([]);
    expect(await store.journal.newest(10, filter)).toMatchObject({ facts: [{ seq: 1 }], isCut: false });
  });
});

it.each([
  [{ sessionId: 'sess_000000001' }, [4, 5]],
  [{ attemptId: 'att_000000001' }, [3, 4, 5]],
  [{ taskId: 'tsk_000000001' }, [2, 3, 4, 5]],
  [{ requestId: 'req_000000001' }, [1, 2, 3, 4, 5, 6]],
  [{ requestId: 'req_000000001', kinds: ['notice'] }, [6]],
  [{ projectId: 'prj_000000001' }, [0, 1, 2, 3, 4, 5, 6]],
  [{ agent: 'demo/worker/w1' }, [3, 4, 5]],
  [{ kinds: ['task.changed'] }, [2]],
  [{ kinds: ['text', 'notice'] }, [5, 6]],
  [{ classes: ['observation'] }, [5, 7]],
  [{ classes: ['state'], agent: 'demo/worker/w1' }, [3, 4]],
  [{ actors: ['agent:demo/worker/w1', 'nobody'] }, [5]],
  [{ actors: ['gantry'], taskId: 'tsk_000000001' }, [2, 3, 4]],
  [{ sources: ['demo-app'] }, [7]],
  [{ sources: ['demo'] }, []],
  [{ kinds: [] }, []],
] as const)('finds the facts with %j, forwards and backwards', async (filter, found) => {
  await using home = await temporaryStore();
  const { store } = home;
  seed(store);
  store.commit((tx) => {
    tx.tasks.insert(sampleTask(1), GANTRY);
    tx.attempts.insert(sampleAttempt(1, { sessionId: null }), GANTRY);
    tx.sessions.insert(sampleSession(1), GANTRY);
  });
  await store.observe([text(1, { sessionId: 'sess_000000001', attemptId: 'att_000000001', agent: 'demo/worker/w1' })]);
  const requestId = 'req_000000001';
  store.commit((tx) => tx.record('notice', { level: 'info', text: 'x' }, { requestId }, 'gantry'));
  await store.observeEvents([observed('demo-app')]);
  const expected = found.map((index) => index + 1);
  expect(seqs(store.journal.since(0, filter).facts)).toEqual(expected);
  expect(seqs(store.journal.recent(10, filter))).toEqual(expected);
});

const usage = () => ({
  inputTokens: 1,
  outputTokens: 1,
  reasoningTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  costUsd: null,
});
