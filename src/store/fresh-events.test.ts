import { expect, it } from 'vitest';
import { sampleAttempt, sampleTask } from '../../test/support/rows.ts';
import { GANTRY, sampleSession, seed, temporaryStore } from '../../test/support/store.ts';
import type { NewEvent } from './events.ts';

const event = (n: number, session = 'native'): NewEvent => ({
  at: n,
  source: 'demo',
  session,
  type: 'Stop',
  text: `{"source_app":"demo","payload":{"n":${n}}}`,
  notes: { token: null },
  chat: null,
  repeat: null,
  actor: 'test',
});

it('hands out what was just written as it is read back', async () => {
  await using home = await temporaryStore();
  const { events } = home.store;
  for (const count of [1, 3, 150]) {
    const head = home.store.journal.head();
    await home.store.observeEvents(Array.from({ length: count }, (_, i) => event(i)));
    for (const [cursor, limit] of [
      [head, 200],
      [head, 2],
      [head + count - 1, 200],
      [0, 200],
    ] as const) {
      const { rows, next } = events.since(cursor, limit);
      expect(rows).toEqual(rows.map(({ seq }) => events.get(seq)));
      const expected = Math.min(limit, home.store.journal.head() - cursor);
      expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: expected }, (_, i) => cursor + 1 + i));
      expect(next).toBe(cursor + expected);
    }
  }
});

it('tells of a session of Gantry’s own whose task it is', async () => {
  await using home = await temporaryStore();
  const { store } = home;
  seed(store);
  store.commit((tx) => {
    tx.tasks.insert(sampleTask(1), GANTRY);
    tx.attempts.insert(sampleAttempt(1), GANTRY);
    tx.sessions.insert(sampleSession(1, { nativeId: 'ours' }), GANTRY);
  });
  const head = store.journal.head();
  await store.observeEvents([event(1), event(2, 'ours')]);
  const { rows } = store.events.since(head, 10);
  expect(rows).toEqual(rows.map(({ seq }) => store.events.get(seq)));
  expect(rows.map(({ taskId }) => taskId)).toEqual([null, sampleTask(1).id]);
});

it('forgets what was not saved', async () => {
  let fails = false;
  await using home = await temporaryStore({ onCommit: () => (fails ? 'disk_full' : null) });
  const { store } = home;
  const head = store.journal.head();
  fails = true;
  await expect(store.observeEvents([event(1)])).rejects.toMatchObject({ code: 'disk_full' });
  fails = false;
  await store.observe([{ kind: 'notice', data: { level: 'warning', text: 'x' }, subject: {}, actor: 'gantry' }]);
  expect(store.events.since(head, 10).rows).toEqual([]);
});
