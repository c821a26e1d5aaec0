import { afterAll, beforeAll, expect, test } from 'vitest';
import { letta } from '../../src/bridges/letta/letta.ts';
import type { Item } from '../../src/bridges/projection.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/models/scripted/server.ts';
import { tcpProxy } from '../support/proxy.ts';
import { sampleTask } from '../support/rows.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';
import { type LettaBlock, startLettaServer } from './letta-server.ts';
import { freePort } from './peer.ts';

let model: ScriptedModel;
let server: Awaited<ReturnType<typeof startLettaServer>>;

beforeAll(async () => {
  model = await startScriptedModel({ script: { otherwise: [{ text: 'I have seen it.' }] } });
  server = await startLettaServer(`${model.url}/v1`);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await model.close();
});

const shownIn = ({ value }: LettaBlock): { status: string; events: { type: string }[] } => JSON.parse(value);
const blocksOf = async (task: string): Promise<LettaBlock[]> =>
  (await server.blocks()).filter(({ label }) => label === `opencode_workspace_${task}`);
const notices = async (agent: string): Promise<unknown[]> =>
  (await server.messages(agent)).filter((message) => JSON.stringify(message).includes('OpenCode Task Completed'));

test('a task is a block of the agent while it lives, and the agent is told of its end', async () => {
  const agent = await server.agent();
  await using world = await World.make(fake, { letta: { url: server.url, agent } });
  await world.up();
  const { id } = await world.submitOne([{ run: 'touch a' }, { hold: 'go' }, { text: 'made a file' }]);
  const block = await server.until('the block', async () => (await server.attached(agent))[0]);
  const task = await world.task(id);
  expect(block).toMatchObject({ label: `opencode_workspace_${task.id}`, limit: 50_000 });
  await server.until(
    'a task at work',
    async () => shownIn((await server.attached(agent))[0] ?? block).status === 'running',
  );
  await world.agent.release('go');
  await world.over(id);
  await server.until('the end', async () => shownIn((await blocksOf(task.id))[0] ?? block).status === 'completed');
  await server.until('the notice', async () => (await notices(agent)).length > 0);
  // Its turn was made of the notice.
  await server.until('the turn', async () => model.requests().length > 0);
  expect(await blocksOf(task.id)).toHaveLength(1);
  expect((await world.call('projections.list', {})).items).toMatchObject([{ name: 'letta', state: 'ok', dropped: 0 }]);
});

test('a server that is away costs a task nothing; after a kill -9 it is told all of it, once', async () => {
  const agent = await server.agent();
  const port = await freePort();
  await using world = await World.make(fake, { letta: { url: `http://127.0.0.1:${port}`, agent } });
  await world.up();
  const { id } = await world.submitOne([{ text: 'made' }]);
  expect(await world.over(id)).toMatchObject({ state: 'done' });
  const task = await world.task(id);
  await world.kill();
  await using _proxy = await tcpProxy(server.url, port);
  await world.up();
  await server.until('the end', async () => {
    const [block] = await blocksOf(task.id);
    return block !== undefined && shownIn(block).status === 'completed';
  });
  await server.until('the notice', async () => (await notices(agent)).length > 0);
  expect(await notices(agent)).toHaveLength(1);
  expect(await blocksOf(task.id)).toHaveLength(1);
});

test('a block is written within its limit, shared once, taken off and removed', async () => {
  const agent = await server.agent();
  const journal = { head: () => 0, since: () => ({ facts: [], next: 0, prunedTo: 0 }) };
  let task = sampleTask(7, { state: 'working', description: 'x'.repeat(60_000) });
  const world = {
    journal,
    task: () => task,
    shown: () => task,
    request: () => null,
    tasksOf: () => [],
    room: () => null,
    remember: () => undefined,
    now: Date.now,
  };
  const bridge = letta({ url: server.url, agent, blockLimit: 2_000 }, null, world);
  const told = (step: string) => {
    const item = { id: 1, key: step, lane: 'agent', notBefore: 0, expiresAt: null, tries: 0 } as const;
    return bridge.deliver({ ...item, payload: { step, taskId: task.id } } satisfies Item, AbortSignal.timeout(60_000));
  };
  expect([await told('write'), await told('write')]).toEqual([{ type: 'done' }, { type: 'done' }]);
  expect(await server.attached(agent)).toHaveLength(1);
  task = { ...task, state: 'done', result: { ...noResult, summary: 'y'.repeat(60_000) } };
  expect(await told('write')).toEqual({ type: 'done' });
  const [block] = await blocksOf(task.id);
  expect(block?.value.length).toBeLessThanOrEqual(2_000);
  expect(await told('notice')).toEqual({ type: 'done' });
  // As after a kill, at once: while it is not among the messages yet, the agent is at work.
  await server.until('the same notice again', async () => {
    const again = await told('notice').catch((error: Error) => error.message);
    if (typeof again === 'string') expect(again).toContain('the agent is at work');
    return typeof again !== 'string' && again.type === 'done';
  });
  expect([await told('detach'), await told('detach')]).toEqual([{ type: 'done' }, { type: 'done' }]);
  expect(await server.attached(agent)).toEqual([]);
  expect([await told('delete'), await told('delete')]).toEqual([{ type: 'done' }, { type: 'done' }]);
  expect(await blocksOf(task.id)).toEqual([]);
  expect(await notices(agent)).toHaveLength(1);
});

const noResult = { summary: '', commit: null, branch: 'b', filesChanged: [], checks: [] };

test('an agent that is not there is given up', async () => {
  const agent = 'agent-00000000-0000-4000-8000-000000000000';
  await using world = await World.make(fake, { letta: { url: server.url, agent } });
  await world.up();
  await world.over((await world.submitOne([{ text: 'made' }])).id);
  expect(await world.until('the alert', ({ alerts }) => alerts.get('projection:letta'))).toContain(
    'letta was refused by',
  );
});
