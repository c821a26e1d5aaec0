import { expect, test } from 'vitest';
import { until } from '../../src/base/wait.ts';
import { LIMIT_MS } from '../support/journal-watch.ts';
import { startLetta } from '../support/letta-server.ts';
import { httpClient, tokenOf } from '../support/mcp.ts';
import { type Act, fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

const AGENT = 'agent-0001';

/** Block and notice go their own ways: either may be the last. */
const isTold = ({ messages, writes }: Awaited<ReturnType<typeof startLetta>>): boolean => {
  const { status } = JSON.parse(writes.at(-1) ?? '{}') as { status?: string };
  return messages.length > 0 && status === 'completed';
};

test('a task is shown in a block while it lives, and its end is told once', async () => {
  await using letta = await startLetta(AGENT);
  await using world = await World.make(fake, { letta: { url: letta.url, agent: AGENT, key: 'LETTA_KEY' } });
  world.env.LETTA_KEY = 'the-key-of-letta';
  await world.up();
  const { id } = await world.submitOne([
    { write: { path: 'a.txt', content: 'x\n' } },
    { hold: 'shown' },
    { text: 'made a file' },
  ]);
  await letta.until('the block of a task that lives', () => letta.attached.length > 0);
  await world.agent.release('shown');
  await world.over(id);
  const task = await world.task(id);
  await letta.until('the notice and the last block', () => isTold(letta));
  const [block] = letta.blocks.values();
  expect(block).toMatchObject({
    label: `opencode_workspace_${task.id}`,
    limit: 50_000,
    read_only: true,
    tags: ['gantry', `gantry-task:${task.id}`],
  });
  expect(letta.attached).toEqual([block?.id]);
  const value = JSON.parse(block?.value ?? '{}') as { status: string; events: { type: string }[] };
  expect(value).toMatchObject({ version: '1.0.0', task_id: task.id, agent_id: AGENT, status: 'completed' });
  expect(value.events.map(({ type }) => type)).toEqual(expect.arrayContaining(['task_started', 'task_completed']));
  expect(letta.messages).toHaveLength(1);
  const content = letta.messages[0]?.content as { text: string }[];
  const notice = JSON.parse(content[0]?.text ?? '{}') as { type: string; message: string };
  expect(notice.type).toBe('system_alert');
  expect(notice.message).toContain('✅ OpenCode Task Completed Successfully\n\nTask ID: ');
  expect(notice.message).toContain('made a file');
  expect(letta.got.every(({ headers }) => headers.authorization === 'Bearer the-key-of-letta')).toBe(true);
});

test('a task that a Letta agent has handed over is shown to that agent, by the name that it knows', async () => {
  const [one, two] = ['1', '2'].map((n) => `agent-0000000${n}-0000-4000-8000-000000000000`);
  await using letta = await startLetta([one ?? '', two ?? '']);
  await using world = await World.make(fake, { letta: { url: letta.url } });
  await world.up();
  const description = `Do it.\n${world.agent.play({ text: 'made' })}`;
  const submit = (callerId = '', notify: 'always' | 'failures' = 'always') =>
    world.call('delegations.submit', { callerId, description, notify });
  const tasks = [await submit(one), await submit(two), await submit(two, 'failures'), await submit('an-editor')];
  await world.submitOne([{ text: 'made' }]);
  for (const { view } of tasks) await world.over(view.requestId);
  const names = tasks.map(({ view }) => view.id);
  const isOver = ({ value }: { readonly value: string }) => JSON.parse(value).status === 'completed';
  await letta.until('the notices and the last blocks', () => {
    const blocks = [...letta.blocks.values()];
    return letta.messages.length === 2 && blocks.length === 3 && blocks.every(isOver);
  });
  const blocks = [...letta.blocks.values()].map(({ id, value }) => {
    const { task_id, agent_id } = JSON.parse(value) as { task_id: string; agent_id: string };
    expect([undefined, agent_id]).toContain(letta.holders.get(id));
    return `${task_id} ${agent_id}`;
  });
  expect(blocks.sort()).toEqual([`${names[0]} ${one}`, `${names[1]} ${two}`, `${names[2]} ${two}`].sort());
  await using mcp = await httpClient(world, { token: await tokenOf(world) });
  const shownIn = async (task_id: string | undefined) =>
    (await mcp.tool('get_task_status', { task_id })).value.workspace_block_id ?? null;
  for (const name of names.slice(0, 3)) {
    const block = [...letta.blocks.values()].find(({ label }) => label === `opencode_workspace_${name}`);
    const limit = { everyMs: 20, limitMs: 60_000 };
    expect(
      await until(
        () => shownIn(name),
        limit,
        () => new Error(`${name} knows no block`),
      ),
    ).toBe(block?.id);
  }
  expect(await shownIn(names[3])).toBeNull();
  const told = letta.messages.map(({ agent, content }) => `${agent} ${JSON.stringify(content)}`).sort();
  expect(told).toEqual([
    expect.stringMatching(`^${one} .*Task ID: ${names[0]}`),
    expect.stringMatching(`^${two} .*Task ID: ${names[1]}`),
  ]);
});

test('a task that is paused is so in its block until it goes on; its caller is told of the block', async () => {
  await using letta = await startLetta(AGENT);
  await using world = await World.make(fake, { letta: { url: letta.url, agent: AGENT } });
  await world.up();
  const description = `Do it.\n${world.agent.play({ run: 'true' }, { hold: 'go' }, { text: 'made' })}`;
  const { view } = await world.call('delegations.submit', { callerId: 'caller', description });
  await world.task(view.requestId, 'T1', 'working');
  const { id } = view;
  const written = () => JSON.parse(letta.writes.at(-1) ?? '{}') as { status?: string; events: { type: string }[] };
  await using mcp = await httpClient(world, { token: await tokenOf(world) });
  for (const [control, status] of [
    ['pause', 'paused'],
    ['resume', 'running'],
  ] as const) {
    await mcp.tool('send_task_control', { task_id: id, control });
    await letta.until(`${status} in the block`, () => written().status === status);
  }
  await world.agent.release('go');
  await world.over(view.requestId);
  await letta.until('the notice and the last block', () => isTold(letta));
  const types = written().events.map(({ type }) => type);
  expect(types.filter((type) => type !== 'task_progress' && type !== 'task_started')).toEqual([
    ...['task_paused', 'task_resumed', 'task_completed'],
  ]);
  const [block] = letta.blocks.values();
  const shown = { state: 'current', block_label: `opencode_workspace_${id}`, block_id: block?.id };
  const projections = async () => (await mcp.tool('get_task_status', { task_id: id })).value.projections;
  await expect.poll(projections, { timeout: LIMIT_MS }).toEqual({ letta: shown });
});

test('a write that does not arrive is told to the caller, with the cause', async () => {
  await using letta = await startLetta(AGENT, () => 503);
  await using world = await World.make(fake, { letta: { url: letta.url, agent: AGENT } });
  await world.up();
  const description = `Do it.\n${world.agent.play({ text: 'made' })}`;
  const { view } = await world.call('delegations.submit', { callerId: 'caller', description });
  const shown = async () => (await world.call('delegations.get', { id: view.id })).view.projections.letta;
  const error = expect.stringContaining('503');
  await expect.poll(shown, { timeout: LIMIT_MS }).toMatchObject({ state: 'retrying', blockId: null, error });
});

test('how a task ended is in its block and in its notice', async () => {
  await using letta = await startLetta(AGENT);
  await using world = await World.make(fake, { letta: { url: letta.url, agent: AGENT }, limits: { maxAttempts: 1 } });
  await world.up();
  const submit = async (act: Act, timeoutMs?: number) => {
    const given = { callerId: 'caller', description: `Do it.\n${world.agent.play(act)}`, timeoutMs };
    return (await world.call('delegations.submit', given)).view;
  };
  const slow = await submit({ hold: 'never' }, 1_000);
  const broken = await submit({ fail: 'no more' });
  const unwanted = await submit({ hold: 'never' });
  await world.task(unwanted.requestId, 'T1', 'working');
  await world.call('delegations.control', { id: unwanted.id, control: 'cancel', reason: 'no need' });
  await letta.until('all notices', () => letta.messages.length === 3);
  const ends = [
    [slow, 'timeout', '⏱️ OpenCode Task Timed Out'],
    [broken, 'failed', '❌ OpenCode Task Failed'],
    [unwanted, 'cancelled', '🛑 OpenCode Task Cancelled'],
  ] as const;
  for (const [{ id }, status, head] of ends) {
    const ownBlock = () => [...letta.blocks.values()].find(({ label }) => label === `opencode_workspace_${id}`);
    const shown = () => JSON.parse(ownBlock()?.value ?? '{}') as { status?: string; events: { type: string }[] };
    await letta.until(`${status} in the block`, () => shown().status === status);
    expect(shown().events.filter(({ type }) => type === `task_${status}`)).toHaveLength(1);
    expect(letta.messages.filter(({ content }) => JSON.stringify(content).includes(`${head}`))).toHaveLength(1);
  }
});

test('a server that is away costs a task nothing; it is told everything after a kill', async () => {
  let isUp = false;
  await using letta = await startLetta(AGENT, () => (isUp ? null : 503));
  await using world = await World.make(fake, { letta: { url: letta.url, agent: AGENT } });
  await world.up();
  const { id } = await world.submitOne([{ text: 'made' }]);
  expect(await world.over(id)).toMatchObject({ state: 'done' });
  await letta.until('a try', (got) => got.length > 0);
  await world.kill();
  isUp = true;
  await world.up();
  await letta.until('the notice and the last block', () => isTold(letta));
  expect(JSON.parse(letta.writes.at(-1) ?? '{}')).toMatchObject({ status: 'completed' });
});

test('an agent that is not there is given up, and people are told', async () => {
  await using letta = await startLetta('another');
  await using world = await World.make(fake, { letta: { url: letta.url, agent: AGENT } });
  await world.up();
  await world.over((await world.submitOne([{ text: 'made' }])).id);
  const alert = await world.until('the alert', ({ alerts }) => alerts.get('projection:letta'));
  expect(alert).toContain('letta was refused by');
});
