import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { until } from '../../src/base/wait.ts';
import type { StartedAgent, StoppedAgent } from '../../src/contract/life-operations.ts';
import type { Message } from '../../src/contract/message.ts';
import { programFile } from '../support/programs.ts';
import { scenario } from '../support/scenario.ts';
import type { Act } from '../support/scripted-agent.ts';
import { noTerminal, Terminal } from '../support/terminal.ts';
import type { World } from '../support/world.ts';

const BY_HAND = 'By hand: mark-4712.';
const MAIN = programFile('cli/main');

const start = async (world: World): Promise<StartedAgent> => {
  const started = await world.gantry(['agent', 'start', 'mayor', '--role', 'worker', '--json']);
  expect(started).toMatchObject({ code: 0 });
  return started.json();
};

const stop = async (world: World): Promise<StoppedAgent> =>
  (await world.gantry(['agent', 'stop', 'mayor', '--json'])).json();

const send = (world: World, words: string, ...acts: Act[]): Promise<Message> => sendTo(world, 'mayor', words, ...acts);

async function sendTo(world: World, to: string, words: string, ...acts: Act[]): Promise<Message> {
  const sent = await world.gantry(['send', to, `${words} ${world.agent.play(...acts)}`, '--json']);
  return sent.json();
}

const seen = (world: World, { id }: Message): Promise<true> =>
  world.until(`${id} is seen`, ({ messages }) => messages.get(id)?.state === 'seen');

const receipts = (world: World, { id }: Message): string[] =>
  world.journal.facts.flatMap((fact) =>
    fact.kind === 'message.changed' && fact.data.row.id === id && fact.data.from !== fact.data.to ? [fact.data.to] : [],
  );

const lastRequest = async (world: World): Promise<string> => (await world.agent.requests()).at(-1)?.text ?? '';

/** Agent programs whose own screen a person can have. */
const SCREENS = { opencode: 'beside Gantry', claude: 'alone' };

async function attach(world: World): Promise<Terminal> {
  const scratch = join(world.root, 'scratch');
  await mkdir(scratch, { recursive: true });
  const env = { ...world.env, HOME: scratch, TMPDIR: scratch };
  const options = { cwd: world.project.root, env, columns: 120, rows: 40 };
  return await Terminal.open([process.execPath, MAIN, 'agent', 'attach', 'mayor'], options);
}

/** Where it cannot, Gantry lets go of it: also if it is killed in any step, there is one writer, and nothing is lost. */
async function lent(world: World): Promise<void> {
  const isLent = (is: boolean): Promise<true> =>
    world.until(`lent: ${is}`, ({ agents }) => [...agents.values()].some(({ lent }) => (lent !== null) === is));
  // Killed with the mark set, before the person has anything.
  const cut = world.call('agents.attach', { agent: 'mayor' }).catch(() => null);
  await isLent(true);
  await world.kill();
  await cut;
  await world.up();

  await using terminal = await attach(world);
  await terminal.shows(/Noted\.[\s\S]*mayor, lent by Gantry/);
  // An Enter that comes with the words is part of them.
  const say = async (words: string, answer: string): Promise<void> => {
    await terminal.type(`${words} ${world.agent.play({ text: answer })}`);
    await terminal.shows(`"${answer}"`);
    await terminal.press('Enter');
    await terminal.shows(`● ${answer}`);
  };
  await say(BY_HAND, 'Read by the agent.');
  await world.kill();
  await world.up();
  const meanwhile = await send(world, 'And from Gantry.', { text: 'Both were read.' });
  expect((await world.gantry(['agents', '--json'])).stdout).toContain('"attached"');
  await say('Still here.', 'Still mine.');
  expect(receipts(world, meanwhile)).toEqual(['queued']);
  await terminal.press('C-b');
  await terminal.press('d');
  await terminal.shows('[exit 0]');
  await isLent(false);
  await seen(world, meanwhile);
  expect(await lastRequest(world)).toMatch(/mark-4712[\s\S]*Still here[\s\S]*And from Gantry/);
}

/** Where the program can share its conversation, a person joins it in a real terminal, and both speak at once. @returns the view, still open */
async function joined(world: World): Promise<Terminal | null> {
  const alone = await world.gantry(['agent', 'attach', 'mayor']);
  expect(alone).toMatchObject({ code: 2, stderr: expect.stringContaining('needs a terminal') });
  if (noTerminal !== null || !(world.agent.backend in SCREENS)) return null;
  if (world.agent.backend === 'claude') await lent(world);
  if (world.agent.backend !== 'opencode') return null;
  await using stack = new AsyncDisposableStack();
  const terminal = stack.use(await attach(world));
  await terminal.shows('Noted.');
  await terminal.type(`${BY_HAND} ${world.agent.play({ hold: 'person', text: 'Read by the agent.' })}`);
  await terminal.press('Enter');
  await until(
    async () => ((await lastRequest(world)).includes(BY_HAND) ? true : null),
    { everyMs: 50, limitMs: 60_000 },
    () => new Error('the words never reached the model'),
  );
  const meanwhile = await send(world, 'And from Gantry.', { text: 'Both were read.' });
  await world.until('it is delivered', ({ messages }) => messages.get(meanwhile.id)?.state === 'delivered');
  await world.agent.release('person');
  await terminal.shows(/^ *Read by the agent\.$/m);
  await terminal.shows(/^ *Both were read\.$/m);
  await seen(world, meanwhile);
  stack.move();
  return terminal;
}

/** A copy of the conversation works on its own, elsewhere. */
async function forked(world: World, from: StartedAgent): Promise<void> {
  const made = await world.gantry(['agent', 'fork', 'mayor', '--json']);
  expect(made).toMatchObject({ code: 0 });
  const fork: StartedAgent = made.json();
  expect(fork).toMatchObject({ cause: 'forked session', agent: 'project/worker/mayor-fork' });
  const write = { write: { path: 'fork.txt', content: 'x\n' } };
  await seen(world, await sendTo(world, fork.agent, 'You are new.', write, { text: 'Copied.' }));
  expect(await lastRequest(world)).toMatch(/mark-4711[\s\S]*You are new/);
  expect([fork, from].map(({ workspace }) => existsSync(join(workspace, 'fork.txt')))).toEqual([true, false]);
  expect(await world.gantry(['agent', 'stop', fork.agent])).toMatchObject({ code: 0 });
}

scenario('A4 A5 A7 D4 an agent without a task: woken by messages, over kills, stops and starts', {}, async (world) => {
  const started = await start(world);
  expect(await world.agent.requests()).toEqual([]);
  const first = await send(
    world,
    'The gap is mark-4711 wide.',
    { write: { path: 'draft.txt', content: 'x\n' } },
    { text: 'Noted.' },
  );
  await seen(world, first);
  expect(receipts(world, first)).toEqual(['queued', 'delivered', 'seen']);
  expect((await world.gantry(['agent', 'peek', 'mayor'])).stdout).toContain('Noted.');

  await using view = await joined(world);
  await world.kill();
  await world.up();
  await world.until('it stands by again', ({ sessions }) => sessions.get(started.sessionId)?.state === 'running');
  const second = await send(world, 'How wide?', { text: 'That wide.' });
  await seen(world, second);
  expect((await lastRequest(world)).split('mark-4711').length - 1).toBe(1);
  if (view) {
    expect(await lastRequest(world)).toContain(BY_HAND);
    await view.shows(/^ *That wide\.$/m);
    await view.press('C-c');
    await view.shows('[exit 0]');
  }

  await forked(world, started);
  const stopped = await stop(world);
  expect(stopped).toMatchObject({ state: 'stopped', survivors: [], unsaved: ['draft.txt'] });
  expect(existsSync(join(stopped.workspace ?? '', 'draft.txt'))).toBe(true);
  const kept = await send(world, 'Keep this.', { text: 'Kept.' });
  expect(kept.state).toBe('queued');
  const again = await start(world);
  expect(again).toMatchObject({ cause: 'resumed session', nativeId: started.nativeId, workspace: started.workspace });
  await seen(world, kept);
  const request = await lastRequest(world);
  expect([request.split('mark-4711').length, request.split('Keep this.').length]).toEqual([2, 2]);

  await stop(world);
  await world.agent.forget(started.nativeId ?? '');
  const fresh = await start(world);
  expect(fresh.cause).toMatch(/^new session: /);
  await seen(world, await send(world, 'And now?', { text: 'New here.' }));
  expect(await lastRequest(world)).toContain(fresh.cause.replace('new session: ', 'new session, '));
  await stop(world);
});
