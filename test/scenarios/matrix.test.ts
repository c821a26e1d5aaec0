import { expect, test } from 'vitest';
import type { MatrixSettings } from '../../src/contract/matrix.ts';
import { BOT, bodyOf, SERVER, startHomeserver } from '../support/homeserver.ts';
import { LIMIT_MS } from '../support/journal-watch.ts';
import { httpClient, tokenOf } from '../support/mcp.ts';
import type { ReceiverAnswer } from '../support/receiver.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

const TOKEN = 'syt_the-token-of-the-bot';
const ALICE = `@alice:${SERVER}`;
const MALLORY = `@mallory:${SERVER}`;

type Homeserver = Awaited<ReturnType<typeof startHomeserver>>;

const settings = (server: Homeserver, more: Partial<MatrixSettings> = {}): MatrixSettings => ({
  ...{ url: server.url, user: BOT, token: 'MATRIX_TOKEN', senders: [ALICE], updateEvery: 100 },
  ...more,
});

async function stage(server: Homeserver, more: Partial<MatrixSettings> = {}): Promise<World> {
  const world = await World.make(fake, { matrix: settings(server, more), policy: { default: 'ask' } });
  world.env.MATRIX_TOKEN = TOKEN;
  await world.up();
  return world;
}

async function health(world: World): Promise<unknown> {
  const answer = await fetch(`${world.client.url}/health`);
  return ((await answer.json()) as { dependencies: { matrix: unknown } }).dependencies.matrix;
}

/** The first sync sets the place to begin at: what is written before it is not carried out. */
const listening = (server: Homeserver) =>
  server.until('the first reading', (got) => got.some(({ path }) => path.includes('since=')));

const saying = (server: Homeserver, words: string) =>
  server.until(words, () => server.said().find((event) => bodyOf(event).includes(words)));

test('a server that is away costs a task nothing; then it is told, asked and obeyed, each as it may', async () => {
  let isAway = true;
  let isLimited = true;
  const fault = (call: string, when: string): ReceiverAnswer | null => {
    if (when === 'after') return null;
    if (isAway) return { status: 502, body: 'no gateway' };
    if (call !== 'POST createRoom' || !isLimited) return null;
    isLimited = false;
    return { status: 429, body: JSON.stringify({ errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 1_500 }) };
  };
  await using server = await startHomeserver(TOKEN, fault);
  await using world = await stage(server, { observers: [`@bob:${SERVER}`] });
  expect(await world.over((await world.submitOne([{ text: 'made' }])).id)).toMatchObject({ state: 'done' });
  await server.until('a try', (got) => got.length > 0);
  const { checks } = await world.call('doctor', { isQuick: true });
  expect(checks.find(({ name }) => name === 'matrix')).toMatchObject({ status: 'notice' });
  await expect.poll(() => health(world), { timeout: LIMIT_MS }).toMatchObject({ status: 'down' });
  isAway = false;
  await saying(server, '✅ Done');
  await expect.poll(() => health(world), { timeout: LIMIT_MS }).toMatchObject({ status: 'ok' });
  const made = server.got.filter(({ path }) => path.endsWith('/createRoom')).map(({ at }) => at);
  expect((made.at(-1) ?? 0) - (made.at(-2) ?? 0)).toBeGreaterThanOrEqual(1_500);
  await listening(server);

  const { id } = await world.submitOne([{ run: 'echo out > a.txt' }, { hold: 'go' }, { text: 'made a file' }]);
  const asked = await saying(server, 'asks for permission');
  const { room } = asked;
  expect(server.rooms.get(room)?.invited).toEqual([ALICE, `@bob:${SERVER}`]);
  expect(asked.content).toMatchObject({ 'm.mentions': { user_ids: [ALICE] } });
  const approval = /apr_\w+/.exec(bodyOf(asked))?.[0] ?? '';
  server.write(room, MALLORY, `/approve ${approval}`);
  await saying(server, `${MALLORY} may not command Gantry`);
  server.write(room, ALICE, '/cancel', 700_000);
  await saying(server, 'This came 12 min late and was not carried out (limit 10 min)');
  expect(world.journal.view.approvals.get(approval as never)?.state).toBe('pending');
  const facts = await world.call('facts.list', { kind: ['notice'], limit: 100 });
  expect(facts.items.map(({ actor, data }) => [actor, (data as { text: string }).text])).toEqual([
    [`matrix:${MALLORY}`, `from Matrix, not carried out: not one of the allowed senders: /approve ${approval}`],
    [`matrix:${ALICE}`, 'from Matrix, not carried out: 700 s old: /cancel'],
  ]);

  server.write(room, ALICE, `/approve ${approval}`);
  await saying(server, `${approval} is allowed.`);
  await world.task(id, 'T1', 'working');
  server.write(room, ALICE, 'mind the newline');
  await saying(server, 'Given to');
  const mail = await world.call('messages.list', {});
  expect(mail.items[0]?.text).toBe(`${ALICE} (Matrix): mind the newline`);
  await world.agent.release('go');
  expect(await world.over(id)).toMatchObject({ state: 'done' });
  await server.until('the last state', () =>
    server.changes().some((one) => one.room === room && / done /.test(bodyOf(one))),
  );
  expect(server.got.every(({ headers }) => headers.authorization === `Bearer ${TOKEN}`)).toBe(true);
  expect(server.got.some(({ path }) => path.includes(TOKEN))).toBe(false);
  expect(await world.log()).not.toContain(TOKEN);
});

test('over a kill -9 nothing is said twice, and what was written meanwhile is carried out once', async () => {
  let lost = 0;
  // The server has taken it, and its answer is lost.
  const fault = (call: string, when: string): ReceiverAnswer | null => {
    if (call !== 'PUT send' || when === 'before' || lost < 0) return null;
    lost += 1;
    return { status: 503, body: '{}' };
  };
  await using server = await startHomeserver(TOKEN, fault);
  await using world = await stage(server);
  await listening(server);
  const { id } = await world.submitOne([{ hold: 'go' }, { text: 'made' }]);
  await server.until('a message whose answer was lost', () => lost > 0);
  await world.kill();
  lost = -1;
  const [room = ''] = server.rooms.keys();
  server.write(room, ALICE, '/pause for lunch');
  await world.up();
  await world.until('the pause', ({ requests }) => requests.get(id)?.state === 'paused');
  await saying(server, `${id} is paused.`);
  await world.kill();
  await world.up();
  server.write(room, ALICE, '/cancel');
  expect(await world.over(id)).toMatchObject({ state: 'cancelled' });
  await saying(server, '🛑 Cancelled');
  const told = server.said().map((event) => bodyOf(event));
  for (const words of [' · ', 'is paused.', 'is cancelled.', '🛑 Cancelled']) {
    expect(told.filter((text) => text.includes(words))).toHaveLength(1);
  }
  expect(server.rooms.size).toBe(1);
});

test('in a shared room every task has a thread, and a command outside of one names its task', async () => {
  await using server = await startHomeserver(TOKEN);
  const room = `!all:${SERVER}`;
  await using world = await stage(server, { room });
  await listening(server);
  const [one, two] = await Promise.all([1, 2].map(() => world.submitOne([{ hold: 'go' }, { text: 'made' }])));
  await server.until('both threads', () => server.said().length === 2);
  server.write(room, ALICE, 'hello everybody');
  server.write(room, ALICE, '/cancel');
  await saying(server, 'Which task? /cancel takes the id of one.');
  server.write(room, ALICE, `/cancel ${one?.id} not needed`);
  expect(await world.over(one?.id as never)).toMatchObject({ state: 'cancelled', cause: 'not needed' });
  await world.agent.release('go');
  expect(await world.over(two?.id as never)).toMatchObject({ state: 'done' });
  const end = await saying(server, '✅ Done');
  expect(end.content).toMatchObject({ 'm.relates_to': { rel_type: 'm.thread', event_id: expect.any(String) } });
  expect(server.rooms.size).toBe(0);
});

test('the caller of a task is told its room, and that its control is seen there', async () => {
  await using server = await startHomeserver(TOKEN);
  await using world = await stage(server);
  const description = `Do it.\n${world.agent.play({ hold: 'go' }, { text: 'made' })}`;
  const { view } = await world.call('delegations.submit', { callerId: 'caller', description });
  await world.task(view.requestId, 'T1', 'working');
  const { room, event_id } = await saying(server, ' · ');
  await using mcp = await httpClient(world, { token: await tokenOf(world) });
  const cancel = { task_id: view.id, control: 'cancel' };
  const told = () => mcp.tool('get_task_status', { task_id: view.id }).then(({ value }) => value.projections);
  await expect.poll(told, { timeout: LIMIT_MS }).toMatchObject({ matrix: { room_id: room, event_id } });
  expect((await mcp.tool('send_task_control', cancel)).value).toMatchObject({ channel_id: room });
  await saying(server, '🛑 Cancelled');
  await expect.poll(told, { timeout: LIMIT_MS }).toEqual({ matrix: { state: 'current', room_id: room, event_id } });
});

test('a program commands by control events, of either form, if it is one of the senders', async () => {
  await using server = await startHomeserver(TOKEN);
  await using world = await stage(server);
  await listening(server);
  const { id } = await world.submitOne([{ hold: 'go' }, { text: 'made' }]);
  const { room } = await saying(server, ' · ');
  const task = await world.task(id, 'T1', 'working');
  const control = (sender: string, words: object) =>
    server.write(room, sender, 'control', 0, { msgtype: 'io.letta.control', 'io.letta.task': words });
  control(MALLORY, { control: 'cancel' });
  await saying(server, `${MALLORY} may not command Gantry`);
  control(ALICE, { task_id: task.id, control_signal: 'pause', reason: 'a break' });
  await world.until('the pause', ({ requests }) => requests.get(id)?.state === 'paused');
  const says = (words: string) =>
    server.until(`a message that says ${words}`, () => server.changes().some((one) => bodyOf(one).includes(words)));
  await says(`${task.id} · paused`);
  server.write(room, ALICE, '/status');
  await saying(server, `${task.id} · paused`);
  control(ALICE, { control: 'cancel', reason: 'no need' });
  expect(await world.over(id)).toMatchObject({ state: 'cancelled', cause: 'no need' });
});
