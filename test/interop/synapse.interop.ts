import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../src/base/wait.ts';
import type { AppError } from '../../src/contract/errors.ts';
import type { MatrixSettings } from '../../src/contract/matrix.ts';
import { tcpProxy } from '../support/proxy.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';
import { type Person, type RoomEvent, startSynapse } from './synapse.ts';

const LIMIT_MS = 30_000;

let synapse: Awaited<ReturnType<typeof startSynapse>>;
let bot: Person;
let alice: Person;
let bob: Person;

beforeAll(async () => {
  synapse = await startSynapse();
  [bot, alice, bob] = [await synapse.person('gantry'), await synapse.person('alice'), await synapse.person('bob')];
});
afterAll(() => synapse[Symbol.asyncDispose]());

async function stage(more: Partial<MatrixSettings> = {}): Promise<World> {
  const settings = { url: synapse.url, user: bot.id, token: 'MATRIX_TOKEN', senders: [alice.id], updateEvery: 500 };
  const world = await World.make(fake, { matrix: { ...settings, ...more }, policy: { default: 'ask' } });
  world.env.MATRIX_TOKEN = bot.token;
  await world.up();
  return world;
}

/** The room that a person is newly invited to, which they go into. */
async function entered(person: Person): Promise<string> {
  const room = await until(
    async () => (await person.invitations())[0] ?? null,
    { everyMs: 100, limitMs: LIMIT_MS },
    () => new Error(`${person.id} is not invited`),
  );
  await person.join(room);
  return room;
}

const isChange = ({ content }: RoomEvent): boolean => content['m.new_content'] !== undefined;

test('a task has a private room; observers read, the sender approves, tells and sees the end', async () => {
  await using world = await stage({ observers: [bob.id] });
  const turns = Array.from({ length: 12 }, (_, i) => ({ run: `echo ${i}` }));
  const { id } = await world.submitOne([{ run: 'touch a' }, { hold: 'go' }, ...turns, { text: 'made a file' }]);
  const room = await entered(alice);
  expect(await entered(bob)).toBe(room);
  const asked = await alice.sees(room, 'asks for permission');
  expect(asked.content).toMatchObject({ 'm.mentions': { user_ids: [alice.id] } });
  const approval = /apr_\w+/.exec(asked.content.body ?? '')?.[0] ?? '';
  await bob.write(room, `/approve ${approval}`);
  await alice.sees(room, `${bob.id} may not command Gantry`);
  expect(world.journal.view.approvals.get(approval as never)?.state).toBe('pending');
  const facts = await world.call('facts.list', { kind: ['notice'], limit: 10 });
  expect(facts.items.map(({ actor }) => actor)).toEqual([`matrix:${bob.id}`]);

  await alice.write(room, 'mind the newline');
  await alice.sees(room, 'Given to');
  await alice.write(room, `/approve ${approval} session`);
  await alice.sees(room, `${approval} is allowed.`);
  await alice.write(room, '/status');
  await world.agent.release('go');
  // Every command of the turn is another permission.
  for (;;) {
    const next = await world.until('a question or the end', ({ approvals, requests }) =>
      requests.get(id)?.state === 'done'
        ? 'done'
        : [...approvals.values()].find(({ state }) => state === 'pending')?.id,
    );
    if (next === 'done') break;
    await alice.write(room, `/approve ${next}`);
    await world.until('the answer', ({ approvals }) => approvals.get(next as never)?.state !== 'pending');
  }
  await alice.sees(room, '✅ Done');
  const told = (await alice.read(room)).filter(({ sender }) => sender === bot.id);
  expect(told.filter((event) => !isChange(event) && event.content.body?.includes(' · '))).toHaveLength(2);
  const requests = await world.agent.requests();
  expect(requests.some(({ text }) => text.includes(`${alice.id} (Matrix): mind the newline`))).toBe(true);
  expect(await world.log()).not.toContain(bot.token);
});

test('kill -9 after Synapse has a message and before Gantry knows: it is not said again', async () => {
  await using proxy = await tcpProxy(synapse.url);
  await using world = await stage({ url: proxy.url });
  const pid = world.daemonPid;
  proxy.onData = (chunk) => {
    // The whole answer to one that was sent. What a sync tells of older rooms names events too.
    if (!/(^|\r\n\r\n)\{"event_id":"[^"]+"\}$/.test(chunk.toString())) return;
    proxy.onData = () => undefined;
    process.kill(pid, 'SIGKILL');
  };
  // The daemon may be killed before it has answered.
  await world.submitOne([{ text: 'made' }]).catch((error: AppError) => expect(error.code).toBe('daemon_unreachable'));
  const room = await entered(alice);
  await alice.sees(room, ' · ');
  await world.kill();
  await world.up();
  await alice.sees(room, '✅ Done');
  const told = (await alice.read(room)).filter((event) => event.sender === bot.id && !isChange(event));
  expect(told.map(({ content }) => content.body?.split('\n')[0])).toHaveLength(2);
});

test('what was written while Gantry was dead is carried out once; what is too old is not', async () => {
  await using world = await stage();
  const { id } = await world.submitOne([{ hold: 'go' }, { text: 'made' }]);
  await world.task(id, 'T1', 'working');
  const room = await entered(alice);
  await alice.write(room, '/status');
  await alice.sees(room, 'working');
  await world.kill();
  await alice.write(room, '/pause for lunch');
  await world.up();
  await alice.sees(room, `${id} is paused.`);
  await world.kill();
  await world.up();
  await alice.write(room, '/resume');
  await alice.sees(room, `${id} is running.`);
  await world.kill();
  await alice.write(room, '/cancel');
  const settings = { url: synapse.url, user: bot.id, token: 'MATRIX_TOKEN', senders: [alice.id] };
  await world.configure({ matrix: { ...settings, commandAge: 1 }, policy: { default: 'ask' } });
  await world.up();
  await alice.sees(room, 'late and was not carried out');
  await world.agent.release('go');
  expect(await world.over(id)).toMatchObject({ state: 'done' });
  const said = (await alice.read(room)).filter(({ content }) => content.body?.includes('is paused.'));
  expect(said).toHaveLength(1);
});

test('in a shared room every task has a thread, and a command in a thread is for its task', async () => {
  const { room_id: room } = await alice.call<{ room_id: string }>('POST', 'createRoom', { invite: [bot.id] });
  await using world = await stage({ room });
  const [one, two] = [
    await world.submitOne([{ hold: 'go' }, { text: 'made' }]),
    await world.submitOne([{ hold: 'go' }, { text: 'made' }]),
  ];
  const task = await world.task(one.id);
  const root = await alice.sees(room, task.id);
  await alice.sees(room, (await world.task(two.id)).id);
  await alice.write(room, 'hello everybody');
  const thread = { 'm.relates_to': { rel_type: 'm.thread', event_id: root.event_id } };
  await alice.write(room, '/cancel not needed', thread);
  expect(await world.over(one.id)).toMatchObject({ state: 'cancelled', cause: 'not needed' });
  await world.agent.release('go');
  expect(await world.over(two.id)).toMatchObject({ state: 'done' });
  const end = await alice.sees(room, '🛑 Cancelled');
  expect(end.content).toMatchObject({ 'm.relates_to': { rel_type: 'm.thread', event_id: root.event_id } });
});

test('a homeserver that is away costs a task nothing, and its limits were met and obeyed', async () => {
  await using world = await stage();
  await synapse.stop();
  const { id } = await world.submitOne([{ text: 'made' }]);
  expect(await world.over(id)).toMatchObject({ state: 'done' });
  const doctor = await world.call('doctor', { isQuick: true });
  expect(doctor.checks.find(({ name }) => name === 'matrix')).toMatchObject({ status: 'notice' });
  await synapse.start();
  const room = await entered(alice);
  await alice.sees(room, '✅ Done');
  expect((await world.call('doctor', { isQuick: true })).checks).toContainEqual({
    ...{ name: 'matrix', status: 'ok', repair: null },
    detail: `${bot.id} on ${synapse.url}`,
  });
  expect(await readFile(synapse.log, 'utf8')).toMatch(/ 429 "PUT \S+send/);
});
