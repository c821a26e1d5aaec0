import { expect, test } from 'vitest';
import { sampleApproval, sampleRequest } from '../../../test/support/rows.ts';
import { sampleAgent, sampleProject, sampleSession, temporaryStore } from '../../../test/support/store.ts';
import { silentLog } from '../../base/log.ts';
import type { Approval } from '../../contract/approval.ts';
import type { WebhookSettings } from '../../contract/webhook.ts';
import { Deliveries } from '../deliveries.ts';
import type { Item, Projection } from '../projection.ts';
import { isQuiet, speechForm } from './speech-form.ts';

type Said = { readonly say: string; readonly urgency: string; readonly kind: string; readonly agent: string | null };

/** A receiver of speech over a real store; the test moves the clock. */
async function rig(settings: Partial<WebhookSettings> = {}) {
  const home = await temporaryStore();
  const { store, clock } = home;
  const names = { project: (id: string | null) => (id === null ? null : (store.read.projects.get(id)?.name ?? null)) };
  const form = speechForm(settings, settings.useBy ?? 120_000, { names, url: () => 'http://127.0.0.1:4000' });
  const said: (Said & { readonly at: number; readonly id: string })[] = [];
  let isDown = false;
  const projection: Projection = {
    name: 'webhook:speech',
    target: 'a speaker',
    problem: null,
    kinds: form.kinds,
    project: form.entries,
    deliver: async (item: Item) => {
      if (isDown) return { type: 'retry', error: 'down' };
      said.push({ ...(form.body(item.payload) as Said), at: clock.now(), id: form.id(item) });
      return { type: 'done' };
    },
  };
  const deliveries = new Deliveries(projection, {
    store,
    clock,
    log: silentLog,
    random: () => 1,
    alert: () => undefined,
    limits: { gatherMs: 1 },
  });
  store.commit((tx) => {
    tx.projects.insert(sampleProject(), { actor: 'person' });
    for (const n of [1, 2]) {
      tx.sessions.insert(sampleSession(n, { attemptId: null }), { actor: 'gantry' });
      tx.agents.insert(sampleAgent(n), { actor: 'gantry' });
    }
  });
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 100) {
      deliveries.wake();
      clock.advance(Math.min(100, left));
      for (let i = 0; i < 3; i += 1) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  let made = 0;
  const ask = (over: Partial<Approval> = {}): void => {
    made += 1;
    const none = { attemptId: null, taskId: null, requestId: null };
    const row = sampleApproval({ id: `apr_00000000${made}`, ...none, ...over });
    store.commit((tx) => tx.approvals.insert(row, { actor: 'gantry', subject: { projectId: 'prj_000000001' } }));
  };
  const idle = (n: number): void =>
    store.commit((tx) => {
      tx.agents.move(`demo/worker/w${n}`, 'idle', 'working', {}, { actor: 'gantry' });
      tx.agents.move(`demo/worker/w${n}`, 'working', 'idle', {}, { actor: 'gantry' });
    });
  const end = (id: number, text: string, state: 'done' | 'failed'): void =>
    store.commit((tx) => {
      const row = sampleRequest({ id: `req_00000000${id}`, text });
      tx.requests.insert(row, { actor: 'person' });
      tx.requests.move(row.id, 'running', state, {}, { actor: 'gantry' });
    });
  const down = (value: boolean): void => {
    isDown = value;
  };
  return { ...home, said, pass, ask, idle, end, down, deliveries };
}

test('of 30 events in 10 s the two urgent ones come first, the rest as sums, each agent in order', async () => {
  await using world = await rig();
  for (let i = 0; i < 28; i += 1) {
    world.idle(1 + (i % 2));
    if (i === 9)
      world.ask({ subject: { type: 'permission', call: call('bash', 'cat /etc/passwd # sk-abcdefghijklmnop1234') } });
    if (i === 19)
      world.ask({
        agent: 'demo/worker/w2',
        sessionId: 'sess_000000002',
        subject: question('Use `x.ts` or a new one?'),
      });
    await world.pass(330);
  }
  await world.pass(30_000);
  expect(world.said.map(({ urgency, agent, kind }) => [urgency, kind, agent])).toEqual([
    ['urgent', 'approval', 'demo/worker/w1'],
    ['urgent', 'question', 'demo/worker/w2'],
    ['normal', 'idle', 'demo/worker/w1'],
    ['normal', 'idle', 'demo/worker/w2'],
  ]);
  expect(world.said.map(({ say }) => say)).toEqual([
    'worker w1 in demo asks for permission to use bash.',
    'worker w2 in demo asks: Use or a new one?',
    'idle 14 times in demo.',
    'idle 14 times in demo.',
  ]);
  expect(new Set(world.said.map(({ id }) => id)).size).toBe(4);
});

test('one event alone is said as it is, after its stretch of time', async () => {
  await using world = await rig({ gather: 5_000 });
  const start = world.clock.now();
  world.end(1, 'Add `src/x.ts` to the build, please.', 'done');
  await world.pass(10_000);
  expect(world.said).toMatchObject([{ say: 'Done in demo: Add to the build, please.', kind: 'done', agent: null }]);
  expect((world.said[0]?.at ?? 0) - start).toBeGreaterThanOrEqual(5_000);
});

test('a sum names what failed', async () => {
  await using world = await rig();
  world.end(1, 'One', 'done');
  world.end(2, 'Two', 'failed');
  world.end(3, 'Three', 'done');
  await world.pass(15_000);
  expect(world.said).toMatchObject([{ say: '2 requests are done, one request has failed in demo.', kind: 'failed' }]);
});

test('nothing is said after its time of use', async () => {
  await using world = await rig({ useBy: 20_000 });
  world.down(true);
  world.ask();
  world.idle(1);
  await world.pass(60_000);
  world.down(false);
  world.idle(2);
  await world.pass(60_000);
  expect(world.said.map(({ agent }) => agent)).toEqual(['demo/worker/w2']);
  expect(world.deliveries.status().dropped).toBe(2);
});

test('only the kinds that are wanted are said', async () => {
  await using world = await rig({ kinds: ['failed'] });
  world.ask();
  world.end(1, 'One', 'failed');
  await world.pass(20_000);
  expect(world.said.map(({ kind }) => kind)).toEqual(['failed']);
});

test.each([
  ['22:00', '07:00', 23, true],
  ['22:00', '07:00', 6, true],
  ['22:00', '07:00', 7, false],
  ['22:00', '07:00', 12, false],
  ['12:00', '13:00', 12, true],
  ['12:00', '13:00', 13, false],
  ['12:00', '12:00', 12, false],
])('quiet from %s to %s: at %d %s', (from, to, hour, isSo) => {
  expect(isQuiet({ from, to }, new Date(2026, 0, 1, hour, 0).getTime())).toBe(isSo);
});

const call = (tool: string, command: string) => ({ tool, patterns: [command], command, diff: null });
const question = (text: string) => ({
  type: 'question' as const,
  questions: [{ question: text, header: 'File', options: [], isMultiple: false, isFreeText: true }],
});
