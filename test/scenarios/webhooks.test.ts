import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import type { ProjectionStatus } from '../../src/contract/webhook.ts';
import { startReceiver } from '../support/receiver.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

const SECRET = 'a secret of the test';
const ASK = 'echo asked';

async function worldWith(url: string, more: object = {}): Promise<World> {
  const hook = { url, secret: 'HOOK_SECRET', allowPrivate: true };
  const world = await World.make(fake, {
    policy: { rules: [{ action: 'ask', tool: 'bash', pattern: 'echo asked*' }] },
    webhooks: {
      facts: { ...hook, kinds: ['request.changed', 'approval.changed'] },
      old: { ...hook, form: 'legacy' },
      spoken: { ...hook, form: 'speech', gather: 50 },
      ...more,
    },
  });
  world.env.HOOK_SECRET = SECRET;
  return world;
}

const isSigned = (headers: NodeJS.Dict<string | string[]>, body: string): boolean => {
  const content = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const signature = createHmac('sha256', SECRET).update(content).digest('base64');
  return headers['webhook-signature'] === `v1,${signature}`;
};

test('a request is told in every form, signed, in order, once', async () => {
  await using receiver = await startReceiver();
  await using world = await worldWith(receiver.url);
  await world.up();
  const { id } = await world.submitOne([{ run: ASK }, { write: { path: 'a.txt', content: 'x\n' } }, { text: 'made' }]);
  const approval = await world.until('the question', ({ approvals }) => [...approvals.values()][0]);
  await world.call('approvals.allow', { id: approval.id });
  await world.over(id);
  const spoken = await receiver.until('the spoken end', (got) =>
    got.map(({ json }) => json() as { say?: string; kind?: string }).find(({ kind }) => kind === 'done'),
  );
  expect(spoken).toMatchObject({ say: expect.stringMatching(/^Done in .*: Do it/), lang: 'en', urgency: 'normal' });
  await receiver.until('the end of the session', (got) => got.some(({ body }) => body.includes('SessionEnd')));
  await receiver.until('the end as a fact', (got) =>
    got.some(({ body }) => /"type":"request.changed".*"to":"done"/.test(body)),
  );

  expect(receiver.got.every(({ headers, body }) => isSigned(headers, body))).toBe(true);
  const ids = receiver.got.map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids).size).toBe(ids.length);
  const bodies = receiver.got.map(({ json }) => json() as Record<string, unknown>);
  const old = bodies.filter(({ session_id }) => session_id === id).map(({ hook_event_type }) => hook_event_type);
  expect(old).toEqual([
    'SessionStart',
    'UserPromptSubmit',
    'TaskPlanned',
    'TaskAssigned',
    'AgentCreated',
    'ToolRequested',
    'ToolCompleted',
    'ToolRequested',
    'ToolCompleted',
    'TaskCompleted',
    'SessionEnd',
  ]);
  const seqs = bodies.flatMap(({ type, data }) => (type === undefined ? [] : [(data as { seq: number }).seq]));
  expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
  expect(bodies.find(({ kind }) => kind === 'approval')).toMatchObject({ urgency: 'urgent' });
  expect(receiver.got.map(({ body }) => body).join()).not.toContain(SECRET);

  const shown = (await world.gantry(['webhooks', '--json'])).json() as readonly ProjectionStatus[];
  expect(shown.map(({ name, state, target }) => [name, state, target])).toEqual([
    ['webhook:facts', 'ok', receiver.url],
    ['webhook:old', 'ok', receiver.url],
    ['webhook:spoken', 'ok', receiver.url],
  ]);
});

test('what a receiver did not take is told again after a kill of the daemon, under the same id', async () => {
  let isUp = false;
  await using receiver = await startReceiver(() => ({ status: isUp ? 204 : 503 }));
  await using world = await worldWith(receiver.url);
  await world.up();
  const { id } = await world.submitOne([{ text: 'made' }]);
  await world.over(id);
  const first = await receiver.until('a refused delivery', (got) =>
    got.find(({ body }) => body.includes('SessionStart')),
  );
  const failing = (await world.gantry(['webhooks', '--json'])).json() as readonly ProjectionStatus[];
  expect(failing.find(({ name }) => name === 'webhook:old')).toMatchObject({
    state: 'failing',
    lastError: { text: 'HTTP 503' },
  });
  await world.kill();
  const before = receiver.got.length;
  isUp = true;
  await world.up();
  await receiver.until('the end', (got) => got.slice(before).some(({ body }) => body.includes('SessionEnd')));
  const after = receiver.got.slice(before).filter(({ body }) => body.includes('hook_event_type'));
  expect(after[0]?.headers['webhook-id']).toBe(first.headers['webhook-id']);
  expect(after[0]?.body).toBe(first.body);
});

test('a test says what is wrong: a private address, a missing secret, an unknown name', async () => {
  await using receiver = await startReceiver();
  await using world = await worldWith(receiver.url, {
    inside: { url: receiver.url, secret: 'HOOK_SECRET' },
    bare: { url: receiver.url, secret: 'NOT_SET', allowPrivate: true },
  });
  await world.up();
  expect(await world.gantry(['webhooks', 'test', 'old'])).toMatchObject({ code: 0 });
  expect(receiver.got).toHaveLength(1);
  const inside = await world.gantry(['webhooks', 'test', 'inside']);
  expect(inside.code).toBe(1);
  expect(inside.stdout).toContain('not a public address');
  const bare = await world.gantry(['webhooks', 'test', 'bare']);
  expect([bare.code, bare.stdout]).toEqual([1, expect.stringContaining('NOT_SET')]);
  const unknown = await world.gantry(['webhooks', 'test', 'odl']);
  expect([unknown.code, unknown.stderr]).toEqual([7, expect.stringContaining('webhook:old')]);
  expect((await world.gantry(['webhooks', 'tset', 'old'])).code).toBe(2);
  expect(receiver.got).toHaveLength(1);
  expect((await world.gantry(['status', '--json'])).stdout).toContain('projection:webhook:bare');
});

test('a configuration is taken over while the daemon runs; what happened is told again on request', async () => {
  await using receiver = await startReceiver();
  await using world = await World.make(fake);
  world.env.GANTRY_HOOK_SECRET = SECRET;
  await world.up();
  const { id } = await world.submitOne([{ text: 'made' }]);
  await world.over(id);
  await world.configure({
    webhooks: {
      late: { url: receiver.url, secret: 'GANTRY_HOOK_SECRET', allowPrivate: true, kinds: ['request.changed'] },
    },
  });
  const rebuilt = await world.gantry(['webhooks', 'rebuild', 'late', '--json']);
  expect(rebuilt.json()).toMatchObject({ name: 'webhook:late', cursor: 0 });
  await receiver.until('the old end', (got) => got.some(({ body }) => body.includes('"to":"done"')));
});
