import { expect, it } from 'vitest';
import { codeOf, openStore, temporaryHome, temporaryStore } from '../../test/support/store.ts';
import type { ProcessRecord, TokenRecord } from './records.ts';

const token = (over: Partial<TokenRecord> = {}): TokenRecord => ({
  id: 'tok_000000001',
  name: 'laptop',
  hash: 'a'.repeat(64),
  scope: 'operate',
  agent: null,
  callers: null,
  sourceApp: null,
  createdAt: 1,
  expiresAt: null,
  revokedAt: null,
  lastUsedAt: null,
  under: null,
  ...over,
});

it('hands out fencing numbers that only grow, over restarts and failed commits', async () => {
  await using home = await temporaryHome();
  const first = openStore(home.dir);
  expect(first.commit((tx) => [tx.nextFence(), tx.nextFence()])).toEqual([1, 2]);
  await first.close();
  await using second = openStore(home.dir);
  expect(second.commit((tx) => tx.nextFence())).toBe(3);
});

it('keeps small values until they are removed', async () => {
  await using home = await temporaryStore();
  const { store } = home;
  store.commit((tx) => tx.meta.set('alerts', '{}'));
  store.commit((tx) => tx.meta.set('alerts', '{"a":1}'));
  expect(store.read.meta.get('alerts')).toBe('{"a":1}');
  store.commit((tx) => tx.meta.remove('alerts'));
  expect(store.read.meta.get('alerts')).toBeNull();
});

it('keeps tokens by hash, notes their use and their end', async () => {
  await using home = await temporaryStore();
  const { store, clock } = home;
  store.commit((tx) => tx.tokens.put(token()));
  expect(store.read.tokens.getByHash('a'.repeat(64))).toEqual(token());
  expect(store.read.tokens.getByHash('b'.repeat(64))).toBeNull();
  store.commit((tx) => tx.tokens.touch('tok_000000001'));
  const revoked = store.commit((tx) => tx.tokens.revoke('tok_000000001'));
  expect(revoked).toEqual(token({ lastUsedAt: clock.now(), revokedAt: clock.now() }));
  expect(store.read.tokens.list()).toEqual([revoked]);
  expect(codeOf(() => store.commit((tx) => tx.tokens.put(token({ id: 'tok_000000002' }))))).toBe('conflict');
  expect(codeOf(() => store.commit((tx) => tx.tokens.revoke('tok_000000003')))).toBe('not_found');
  expect(codeOf(() => store.commit((tx) => tx.tokens.put(token({ scope: 'god' as never }))))).toBe('internal');
});

it('keeps programs from before their start to their end', async () => {
  await using home = await temporaryStore();
  const { store } = home;
  const record: ProcessRecord = {
    id: 'p1',
    kind: 'opencode-server',
    marker: 'GANTRY_PROCESS=p1',
    identity: null,
    data: { port: 4096 },
    createdAt: 1,
  };
  store.commit((tx) => tx.processes.put(record));
  const identity = { pid: 42, startTime: '99@boot' };
  expect(store.commit((tx) => tx.processes.patch('p1', { identity }))).toEqual({ ...record, identity });
  expect(store.read.processes.list()).toEqual([{ ...record, identity }]);
  store.commit((tx) => {
    tx.processes.remove('p1');
    tx.processes.remove('p1');
  });
  expect(store.read.processes.get('p1')).toBeNull();
  expect(codeOf(() => store.commit((tx) => tx.processes.patch('p1', { identity })))).toBe('not_found');
});

it('remembers what a command with a key did', async () => {
  await using home = await temporaryStore();
  const { store, clock } = home;
  const at = { createdAt: clock.now() };
  expect(store.read.idempotency.get('tok/submit', 'k')).toBeNull();
  store.commit((tx) => tx.idempotency.put('tok/submit', 'k', { inputHash: 'h', output: null }));
  expect(store.read.idempotency.get('tok/submit', 'k')).toEqual({ inputHash: 'h', output: null, ...at });
  store.commit((tx) => tx.idempotency.put('tok/submit', 'k', { inputHash: 'h', output: '{}' }));
  expect(store.read.idempotency.get('tok/submit', 'k')).toEqual({ inputHash: 'h', output: '{}', ...at });
  expect(store.read.idempotency.get('tok/other', 'k')).toBeNull();
  store.commit((tx) => tx.idempotency.remove('tok/submit', 'k'));
  expect(store.read.idempotency.get('tok/submit', 'k')).toBeNull();
});

it('hands out what is due of a channel, in order, until it is delivered', async () => {
  await using home = await temporaryStore();
  const { store, clock } = home;
  store.commit((tx) => {
    tx.outbox.add({ channel: 'hook', key: '1', payload: { n: 1 } });
    tx.outbox.add({ channel: 'hook', key: '2', payload: { n: 2 } });
    tx.outbox.add({ channel: 'hook', key: '3', payload: { n: 3 }, notBefore: clock.now() + 1_000 });
    tx.outbox.add({ channel: 'other', key: '1', payload: null });
  });
  const due = () => store.read.outbox.take('hook', 10).map((item) => [item.key, item.tries, item.lastError]);
  const [first] = store.read.outbox.take('hook', 1);
  expect(first).toMatchObject({ key: '1', payload: { n: 1 } });
  store.commit((tx) => tx.outbox.remove(first?.id ?? 0));
  expect(due()).toEqual([['2', 0, null]]);
  const [second] = store.read.outbox.take('hook', 1);
  store.commit((tx) => tx.outbox.retry({ channel: 'hook', key: second?.key ?? '' }, clock.now() + 500, 'refused'));
  expect(due()).toEqual([]);
  expect(store.read.outbox.nextAt('hook')).toBe(clock.now() + 500);
  expect(store.read.outbox.count('hook')).toBe(2);
  clock.advance(1_000);
  expect(due()).toEqual([
    ['2', 1, 'refused'],
    ['3', 0, null],
  ]);
  expect(store.read.outbox.nextAt('none')).toBeNull();
});

it('replaces what waits under the same key, and a delivery of the old one does not remove the new one', async () => {
  await using home = await temporaryStore();
  const { store } = home;
  store.commit((tx) => tx.outbox.add({ channel: 'letta', key: 'status', payload: 'old' }));
  const [old] = store.read.outbox.take('letta', 1);
  store.commit((tx) => tx.outbox.add({ channel: 'letta', key: 'status', payload: 'new' }));
  store.commit((tx) => tx.outbox.remove(old?.id ?? 0));
  expect(store.read.outbox.take('letta', 10).map((item) => item.payload)).toEqual(['new']);
});

it('hands out the first item of each lane only, and remembers who waits and since when', async () => {
  await using home = await temporaryStore();
  const { store, clock } = home;
  const start = clock.now();
  store.commit((tx) => {
    tx.outbox.add({ channel: 'hook', lane: 'a', key: 'a1', payload: 1, notBefore: start + 100 });
    tx.outbox.add({ channel: 'hook', lane: 'a', key: 'a2', payload: 2 });
    tx.outbox.add({ channel: 'hook', lane: 'b', key: 'b1', payload: 3, expiresAt: start + 50 });
  });
  const due = () => store.read.outbox.take('hook', 10).map((item) => item.key);
  expect(due()).toEqual(['b1']);
  expect(store.read.outbox.get('hook', 'b1')).toMatchObject({ lane: 'b', expiresAt: start + 50 });
  expect(store.read.outbox.nextAt('hook')).toBe(0);
  clock.advance(100);
  expect(due()).toEqual(['a1', 'b1']);
  expect(store.read.outbox.oldestAt('hook')).toBe(start);
  store.commit((tx) => tx.outbox.clear('hook'));
  expect([due(), store.read.outbox.oldestAt('hook')]).toEqual([[], null]);
});

it('does not hurry a delivery that was refused because something newer took its place', async () => {
  await using home = await temporaryStore();
  const { store, clock } = home;
  const item = { channel: 'letta', key: 'status', payload: 'old' };
  store.commit((tx) => tx.outbox.add(item));
  store.commit((tx) => tx.outbox.retry(item, clock.now() + 500, 'refused'));
  store.commit((tx) => tx.outbox.add({ ...item, payload: 'new' }));
  expect(store.read.outbox.take('letta', 10)).toEqual([]);
  clock.advance(500);
  expect(store.read.outbox.take('letta', 10)).toMatchObject([{ payload: 'new', tries: 1, lastError: 'refused' }]);
});
