import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { temporaryStore } from '../../test/support/store.ts';
import type { NewEvent } from './events.ts';
import type { NewFact } from './facts.ts';

const delta = (text: string): NewFact => ({
  kind: 'text.delta',
  data: { partId: 'p', text },
  subject: { sessionId: 'sess_000000001' },
  actor: 'gantry',
});
const tool = (input: unknown): NewFact => ({
  kind: 'tool.started',
  data: { callId: 'c', tool: 'bash', title: 't', input },
  subject: {},
  actor: 'gantry',
});

const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));

describe('observe', () => {
  it('tells those who wait for work nothing of events of outside programs', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    const told: string[] = [];
    store.onWork(() => told.push('work'));
    store.onCommit(() => told.push('all'));
    const event: NewEvent = {
      ...{
        at: 1,
        source: 'a',
        session: 's',
        type: 'Stop',
        notes: { token: null },
        chat: null,
        repeat: null,
        actor: 't',
      },
      text: '{"source_app":"a","session_id":"s","hook_event_type":"Stop","timestamp":1,"payload":{}}',
    };
    await store.observeEvents([event]);
    expect(told).toEqual(['all']);
    await Promise.all([store.observeEvents([event]), store.observe([tool({})])]);
    expect(told).toEqual(['all', 'work', 'all']);
  });

  it('writes all of one turn of the loop in one transaction, in the order of the calls', async () => {
    let commits = 0;
    await using home = await temporaryStore({
      onCommit: () => {
        commits += 1;
        return null;
      },
    });
    const { store } = home;
    commits = 0;
    const heads: number[] = [];
    store.onCommit((head) => heads.push(head));
    const all = await Promise.all([
      store.observe([delta('a'), delta('b')]),
      store.observe([delta('c')]),
      store.observe([]),
      store.observe([delta('d')]),
    ]);
    expect(all).toEqual([2, 3, 3, 4]);
    expect(commits).toBe(1);
    expect(heads).toEqual([4]);
    expect(store.journal.since(0).facts.map((fact) => fact.data)).toMatchObject([
      { text: 'a' },
      { text: 'b' },
      { text: 'c' },
      { text: 'd' },
    ]);
    await store.observe([delta('e')]);
    expect(commits).toBe(2);
  });

  it('says when too much waits, and takes what comes later', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    const many = Array.from({ length: 20_000 }, () => delta('x'));
    const first = store.observe(many);
    await expect(store.observe([delta('one more')])).rejects.toMatchObject({ code: 'overloaded' });
    expect(await first).toBe(20_000);
    expect(await store.observe([delta('later')])).toBe(20_001);
  });

  it('counts what waits in characters too', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    const big = delta('x'.repeat(3_900_000));
    const first = store.observe(Array.from({ length: 8 }, () => big));
    await expect(store.observe([big])).rejects.toMatchObject({ code: 'overloaded' });
    expect(await first).toBe(8);
  });

  it('refuses what is too large, nested too deeply or wrong, and writes what else was observed', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    const good = store.observe([delta('good')]);
    const refused = await Promise.allSettled([
      store.observe([delta('x'.repeat(4_000_001))]),
      store.observe([tool(nested(200_000))]),
      store.observe([delta('not alone'), { ...delta('x'), data: { partId: 1 } as never }]),
    ]);
    expect(refused.map((one) => one.status === 'rejected' && one.reason.code)).toEqual([
      'too_large',
      'too_large',
      'internal',
    ]);
    expect(await good).toBe(1);
    expect(store.journal.head()).toBe(1);
    expect(await store.observe([tool(nested(150))])).toBe(2);
  });

  it('masks secrets', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    await store.observe([tool({ api_key: 'hunter2', command: 'curl -H "Authorization: Bearer abcdefgh1234"' })]);
    expect(store.journal.recent(1)).toMatchObject([
      { data: { input: { api_key: '[redacted]', command: 'curl -H "Authorization: Bearer [redacted]"' } } },
    ]);
  });

  it.each(['disk_full', 'store_locked'] as const)(
    'rejects all of a turn on %s, writes none of it, and goes on',
    async (code) => {
      let fault: typeof code | null = null;
      await using home = await temporaryStore({ onCommit: () => fault });
      const { store } = home;
      await store.observe([delta('before')]);
      fault = code;
      const failed = await Promise.allSettled([store.observe([delta('a')]), store.observe([delta('b'), delta('c')])]);
      expect(failed.map((one) => one.status === 'rejected' && one.reason.code)).toEqual([code, code]);
      expect(store.journal.head()).toBe(1);
      fault = null;
      expect(await store.observe([delta('after')])).toBe(2);
    },
  );

  it('fails the observers and not the commit that comes after them', async () => {
    const faults = ['disk_full', null] as ('disk_full' | null)[];
    let isOn = false;
    await using home = await temporaryStore({ onCommit: () => (isOn ? (faults.shift() ?? null) : null) });
    const { store } = home;
    isOn = true;
    const observed = store.observe([delta('lost')]);
    store.commit((tx) => tx.record('notice', { level: 'info', text: 'kept' }, {}, 'gantry'));
    await expect(observed).rejects.toMatchObject({ code: 'disk_full' });
    expect(store.journal.since(0).facts).toMatchObject([{ seq: 1, data: { text: 'kept' } }]);
  });

  it('leaves nothing behind that would keep a turn from ending', async () => {
    await using home = await temporaryStore();
    const { store } = home;
    const observed = store.observe([delta('a')]);
    store.commit((tx) => tx.nextFence());
    await observed;
    await turn();
    expect(store.journal.head()).toBe(1);
  });
});
