import { expect, onTestFinished, test } from 'vitest';
import { temporaryStore } from '../../test/support/store.ts';
import { silentLog } from '../base/log.ts';
import { deferred } from '../base/wait.ts';
import type { FactKind } from '../contract/fact.ts';
import type { Store } from '../store/store.ts';
import { Deliveries, type DeliveryLimits } from './deliveries.ts';
import type { Delivery, Entry, Item, Projection } from './projection.ts';

const LIMITS = { gatherMs: 1, backOffMs: 100, maxBackOffMs: 1_000, timeoutMs: 5_000 };

type Options = {
  readonly project?: Projection['project'];
  readonly deliver?: Projection['deliver'];
  readonly kinds?: readonly FactKind[];
  readonly problem?: string;
  readonly limits?: Partial<DeliveryLimits>;
};

/** One projection over a real store, with a receiver that answers as the test says and a clock that the test moves. */
async function rig({ project, deliver, kinds = ['notice'], problem, limits }: Options = {}) {
  const home = await temporaryStore();
  onTestFinished(() => home[Symbol.asyncDispose]());
  const { store, clock } = home;
  const got: string[] = [];
  const alerts: (string | null)[] = [];
  const answers = new Map<string, () => Delivery | Promise<Delivery>>();
  const projection: Projection = {
    name: 'test',
    target: 'a receiver',
    problem: problem ?? null,
    kinds,
    project:
      project ??
      ((fact): readonly Entry[] => {
        if (fact.kind !== 'notice') return [];
        const [lane = ''] = fact.data.text.split(' ');
        return [{ key: `${fact.seq}`, lane, payload: fact.data.text, expiresAt: fact.at + 60_000 }];
      }),
    deliver:
      deliver ??
      (async (item: Item) => {
        const text = String(item.payload);
        got.push(text);
        return (await answers.get(text)?.()) ?? { type: 'done' };
      }),
  };
  const open = (from: Store = store): Deliveries => {
    const alert = (_: string, text: string | null): number => alerts.push(text);
    return new Deliveries(projection, {
      store: from,
      clock,
      log: silentLog,
      random: () => 0.9999999,
      alert,
      limits: { ...LIMITS, ...limits },
    });
  };
  const say = (...texts: readonly string[]): void =>
    store.commit((tx) => {
      for (const text of texts) tx.record('notice', { level: 'info', text }, {}, 'gantry');
    });
  /** Lets time pass in small steps, with turns of the event loop for what is under way. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 10) {
      clock.advance(Math.min(10, left));
      for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { ...home, got, alerts, answers, open, say, pass };
}

const later: Delivery = { type: 'retry', error: 'not now' };

test('begins with what happens from now on, and tells each fact once', async () => {
  const { open, say, pass, got } = await rig();
  say('a before');
  const deliveries = open();
  say('a 1', 'a 2');
  deliveries.wake();
  await pass(20);
  say('a 3');
  deliveries.wake();
  await pass(20);
  expect(got).toEqual(['a 1', 'a 2', 'a 3']);
  expect(deliveries.status()).toMatchObject({ state: 'ok', behind: 0, waiting: 0, delivered: 3, dropped: 0 });
});

test('keeps the order of a lane while another goes on', async () => {
  const { open, say, pass, got, answers } = await rig();
  const deliveries = open();
  const held = deferred<Delivery>();
  answers.set('a 1', () => held.promise);
  say('a 1', 'a 2', 'b 1', 'b 2');
  deliveries.wake();
  await pass(30);
  expect(got).toEqual(['a 1', 'b 1', 'b 2']);
  held.resolve({ type: 'done' });
  await pass(30);
  expect(got).toEqual(['a 1', 'b 1', 'b 2', 'a 2']);
});

test('tries again with a back-off that doubles up to its cap, and says so', async () => {
  const { open, say, pass, got, answers, clock, alerts } = await rig({ limits: { alertAfterMs: 2_000 } });
  const deliveries = open();
  const times: number[] = [];
  answers.set('a 1', () => {
    times.push(clock.now());
    return times.length < 8 ? later : { type: 'done' };
  });
  say('a 1');
  deliveries.wake();
  await pass(5_000);
  const waits = times.slice(1).map((time, i) => Math.round((time - (times[i] ?? 0)) / 100) * 100);
  expect(waits).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000]);
  expect(got.length).toBe(8);
  expect(alerts.at(-2)).toContain('test does not reach a receiver: not now');
  expect(alerts.at(-1)).toBeNull();
  expect(deliveries.status()).toMatchObject({ state: 'ok', delivered: 1, lastError: { text: 'not now' } });
});

test('tries again what threw before it began to wait, and goes on with the lane', async () => {
  const tried: unknown[] = [];
  const deliver: Projection['deliver'] = ({ payload }) => {
    tried.push(payload);
    if (tried.length === 1) throw new Error('a mistake');
    return Promise.resolve({ type: 'done' });
  };
  const { open, say, pass } = await rig({ deliver });
  const deliveries = open();
  say('a 1', 'a 2');
  deliveries.wake();
  await pass(300);
  expect(tried).toEqual(['a 1', 'a 1', 'a 2']);
  expect(deliveries.status()).toMatchObject({ state: 'ok', waiting: 0, lastError: { text: 'a mistake' } });
});

test('waits as long as the other side asks for', async () => {
  const { open, say, pass, got, answers } = await rig();
  const deliveries = open();
  answers.set('a 1', () => (got.length === 1 ? { ...later, afterMs: 3_000 } : { type: 'done' }));
  say('a 1');
  deliveries.wake();
  await pass(2_500);
  expect(got.length).toBe(1);
  expect(deliveries.status().state).toBe('failing');
  await pass(1_000);
  expect(got.length).toBe(2);
});

test('gives up what is refused for good, opens an alert, and goes on with the lane', async () => {
  const { open, say, pass, got, answers, alerts } = await rig();
  const deliveries = open();
  answers.set('a 1', () => ({ type: 'refused', error: 'never' }));
  const held = deferred<Delivery>();
  answers.set('a 2', () => held.promise);
  say('a 1', 'a 2');
  deliveries.wake();
  await pass(30);
  expect(alerts.at(-1)).toContain('was refused by a receiver: never');
  expect(deliveries.status()).toMatchObject({ state: 'failing', dropped: 1, lastError: { text: 'never' } });
  held.resolve({ type: 'done' });
  await pass(30);
  expect(got).toEqual(['a 1', 'a 2']);
  expect(alerts.at(-1)).toBeNull();
});

test('drops what is past its time of use, waiting or not yet read', async () => {
  const { open, say, pass, got, answers, clock } = await rig();
  const deliveries = open();
  answers.set('a 1', () => later);
  say('a 1', 'a 2');
  deliveries.wake();
  await pass(20);
  await deliveries.stop();
  say('b unread');
  clock.advance(60_000);
  say('b fresh');
  const next = open();
  next.wake();
  await pass(50);
  expect(got).toEqual(['a 1', 'b fresh']);
  expect(next.status()).toMatchObject({ waiting: 0, dropped: 3, delivered: 1 });
  expect(next.status().lastError?.text).toContain('time of use');
});

test('holds few things in the outbox: the rest waits in the journal', async () => {
  const { open, say, pass, got, answers } = await rig({ limits: { maxWaiting: 5 } });
  const deliveries = open();
  const held = deferred<Delivery>();
  answers.set('a 0', () => held.promise);
  say(...Array.from({ length: 40 }, (_, i) => `a ${i}`));
  deliveries.wake();
  await pass(50);
  expect(deliveries.status()).toMatchObject({ waiting: 5, behind: 35 });
  held.resolve({ type: 'done' });
  await pass(300);
  expect(got).toEqual(Array.from({ length: 40 }, (_, i) => `a ${i}`));
});

test('what is to be told much later keeps nothing else out of the outbox', async () => {
  const project: Projection['project'] = ({ seq, at }) => [
    { key: `now ${seq}`, payload: `now ${seq}` },
    { key: `later ${seq}`, payload: `later ${seq}`, notBefore: at + 86_400_000 },
  ];
  const { open, say, pass, got } = await rig({ project, limits: { maxWaiting: 5 } });
  const deliveries = open();
  say(...Array.from({ length: 12 }, (_, i) => `a ${i}`));
  deliveries.wake();
  await pass(300);
  expect(got).toHaveLength(12);
  expect(deliveries.status()).toMatchObject({ waiting: 12, behind: 0 });
});

test('loses nothing in a kill at any moment; what was under way is told again under the same key', async () => {
  const { open, say, pass, got, answers, store, reopen } = await rig();
  const first = open();
  answers.set('a 1', () => new Promise<Delivery>(() => undefined));
  say('a 1', 'a 2');
  first.wake();
  await pass(20);
  expect(got).toEqual(['a 1']);
  // A kill: nobody ends the first; the database is opened by the next.
  say('a 3');
  answers.clear();
  await store.close();
  await using again = reopen();
  const second = open(again);
  second.wake();
  await pass(50);
  expect(got).toEqual(['a 1', 'a 1', 'a 2', 'a 3']);
  await second.stop();
});

test('a delivery that takes too long is given up and tried again', async () => {
  const { open, say, pass, got, answers } = await rig({ limits: { timeoutMs: 500 } });
  const deliveries = open();
  const held = deferred<Delivery>();
  answers.set('a 1', () => (got.length === 1 ? held.promise : { type: 'done' }));
  say('a 1');
  deliveries.wake();
  await pass(600);
  held.reject(new Error('aborted'));
  await pass(300);
  expect(got).toEqual(['a 1', 'a 1']);
  expect(deliveries.status().lastError?.text).toBe('it took too long');
});

test('is rebuilt from any position', async () => {
  const { open, say, pass, got } = await rig();
  say('a 1', 'a 2', 'a 3');
  const deliveries = open();
  deliveries.rebuild(1);
  await pass(30);
  expect(got).toEqual(['a 2', 'a 3']);
});

test('an entry that waits takes in what comes after it', async () => {
  const { open, say, pass, got, clock } = await rig({
    project: (fact, waiting) => {
      const payload = `${waiting('sum')?.payload ?? 'sum'}+${fact.kind === 'notice' ? fact.data.text : ''}`;
      return [{ key: 'sum', payload, notBefore: waiting('sum')?.notBefore ?? clock.now() + 100 }];
    },
  });
  const deliveries = open();
  say('1', '2');
  deliveries.wake();
  await pass(20);
  say('3');
  deliveries.wake();
  await pass(200);
  expect(got).toEqual(['sum+1+2+3']);
});

test('a commit that fails loses nothing', async () => {
  let isFull = false;
  const home = await temporaryStore({ onCommit: () => (isFull ? 'disk_full' : null) });
  onTestFinished(() => home[Symbol.asyncDispose]());
  const { store, clock } = home;
  const got: unknown[] = [];
  const projection: Projection = {
    name: 'test',
    target: 'a receiver',
    problem: null,
    kinds: ['notice'],
    project: (fact) => [{ key: String(fact.seq), payload: fact.seq }],
    deliver: async ({ payload }) => {
      got.push(payload);
      return { type: 'done' };
    },
  };
  const parts = { store, clock, log: silentLog, random: () => 1, alert: () => undefined, limits: LIMITS };
  const deliveries = new Deliveries(projection, parts);
  store.commit((tx) => tx.record('notice', { level: 'info', text: 'x' }, {}, 'gantry'));
  isFull = true;
  deliveries.wake();
  clock.advance(10);
  expect([got, deliveries.status().behind]).toEqual([[], 1]);
  isFull = false;
  clock.advance(LIMITS.maxBackOffMs);
  isFull = true;
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 5; i += 1) {
    await turn();
    clock.advance(10);
  }
  // Delivered, but that was not recorded: told again, after a rest.
  expect(got).toEqual([store.journal.head()]);
  isFull = false;
  clock.advance(LIMITS.maxBackOffMs);
  await turn();
  expect(got).toEqual([store.journal.head(), store.journal.head()]);
  expect(deliveries.status()).toMatchObject({ waiting: 0, delivered: 1 });
});

test('one that cannot work as it is configured reads nothing and says why', async () => {
  const { open, say, pass, got, alerts } = await rig({ problem: 'no secret' });
  const deliveries = open();
  say('a 1');
  deliveries.wake();
  await pass(30);
  expect([got, alerts]).toEqual([[], ['no secret']]);
  expect(deliveries.status()).toMatchObject({ state: 'problem', problem: 'no secret', behind: 1 });
});
