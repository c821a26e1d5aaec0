import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { StoppedAgent } from '../../src/contract/life-operations.ts';
import { faultyBackends, faultyId } from '../support/faulty-backends.ts';
import { leftovers } from '../support/leftovers.ts';
import { scenario } from '../support/scenario.ts';
import type { Fault, ScriptedAgent } from '../support/scripted-agent.ts';
import type { CliResult, World } from '../support/world.ts';

const broken = {
  config: (agent: ScriptedAgent) => ({ roles: { worker: { maxAttempts: 1 } }, backends: faultyBackends(agent) }),
};

/** What fails before the program is started. */
const notYet = { not: { real: 'the program has no part in it' } };

const run = (world: World, fault: Fault, words = 'answer'): Promise<CliResult> =>
  world.gantry([
    'run',
    '--single',
    '--yes',
    '--json',
    '--backend',
    faultyId(world.agent, fault),
    `Do it.\n${world.agent.play({ text: words })}`,
  ]);

/** What a start that failed must not have left: processes, ports, worktrees, branches. */
async function expectNothingStarted(world: World, before: string): Promise<void> {
  expect(await world.strangers()).toEqual([]);
  expect(await tracesIn(world)).toBe(before);
}

/** The branches and worktrees of the project. */
async function tracesIn({ project }: World): Promise<string> {
  const branches = await project.git(['branch', '--list', '--format=%(refname:short)']);
  return `${branches}\n${await project.git(['worktree', 'list', '--porcelain'])}`;
}

describe('a start that fails (A8)', () => {
  scenario(
    'because there is no executable is refused by its name, and works after the repair',
    broken,
    async (world) => {
      const before = await tracesIn(world);
      const refused = await run(world, 'missing');
      expect(refused).toMatchObject({ code: 2 });
      const [program] = world.agent.broken('missing').command ?? [];
      expect(refused.json()).toMatchObject({
        error: { code: 'backend_missing', message: expect.stringContaining(String(program)) },
      });
      await expectNothingStarted(world, before);
      expect(world.journal.view.requests.size).toBe(0);

      await world.agent.repair('missing');
      expect(await run(world, 'missing')).toMatchObject({ code: 0 });
    },
  );

  scenario('because of a wrong version is refused with both versions', broken, async (world) => {
    const before = await tracesIn(world);
    const refused = await run(world, 'wrongVersion');
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.json()).toMatchObject({
      error: { code: 'backend_version', message: expect.stringContaining('9.0.0') },
    });
    await expectNothingStarted(world, before);
  });

  for (const [fault, cause] of [
    ['diesAtOnce', 'exit code 3'],
    ['neverReady', 'not ready'],
  ] as const) {
    const slow = { real: 'even a good start takes longer than this waits; test/conformance holds it to the limit' };
    const options = { ...broken, not: fault === 'neverReady' ? slow : {} };
    scenario(
      `because the program is ${fault} fails with the cause, and a retry is possible`,
      options,
      async (world) => {
        const failed = await run(world, fault);
        expect(failed).toMatchObject({ code: 1 });
        const { requestId } = failed.json() as { readonly requestId: `req_${string}` };
        const task = await world.task(requestId as never, 'T1', 'failed');
        expect(task.failure?.message).toContain(cause);
        expect((await world.gantry(['explain', task.id])).stdout).toContain(cause);
        expect(await world.strangers()).toEqual([]);
        const sessions = [...world.journal.view.sessions.values()];
        expect(sessions.map(({ state, cause: why }) => [state, why?.includes(cause)])).toEqual([['failed', true]]);

        await world.agent.repair(fault);
        expect(await world.gantry(['retry', task.id])).toMatchObject({ code: 0 });
        await world.until('the work', ({ tasks }) => tasks.get(task.id)?.state === 'done');
      },
    );
  }

  scenario(
    'because the path of the workspace is taken says so, and touches nothing there',
    { ...broken, ...notYet },
    async (world) => {
      const { id } = await world.submitPlan([
        { id: 'T1', acts: [{ hold: 'go', text: 'first' }] },
        { id: 'T2', acts: [{ write: { path: 'b.txt', content: 'b\n' } }, { text: 'second' }], needs: ['T1'] },
      ]);
      const blocked = await world.task(id, 'T2', 'blocked');
      const first = await world.task(id, 'T1', 'working');
      const workspace = [...world.journal.view.attempts.values()].find((a) => a.taskId === first.id)?.workspace ?? '';
      const taken = workspace.replace(first.id, blocked.id);
      await mkdir(taken);
      await writeFile(join(taken, 'mine.txt'), 'mine\n');
      await world.agent.release('go');
      const failed = await world.task(id, 'T2', 'failed', 'waiting');
      expect(failed.failure).toMatchObject({ class: 'start', message: expect.stringContaining(taken) });
      expect(await readdir(taken)).toEqual(['mine.txt']);
      expect(await readFile(join(taken, 'mine.txt'), 'utf8')).toBe('mine\n');
      expect(await world.over(id)).toMatchObject({ state: 'failed' });
      await rm(taken, { recursive: true });
      expect(await world.gantry(['retry', failed.id])).toMatchObject({ code: 0 });
      await world.until('the work', ({ requests }) => requests.get(id)?.state === 'done');
    },
  );

  scenario(
    'because the commit to start from is missing is refused, and works after the repair',
    { ...broken, ...notYet },
    async (world) => {
      const { git, root } = world.project;
      const head = await git(['rev-parse', 'HEAD']);
      const before = await tracesIn(world);
      const object = join(root, '.git', 'objects', head.slice(0, 2), head.slice(2));
      await rename(object, world.project.beside('object'));
      const args = ['run', '--single', '--yes', '--json', `Do it.\n${world.agent.play({ text: 'answer' })}`];
      const refused = await world.gantry(args);
      expect(refused.code).not.toBe(0);
      const { error } = refused.json() as { readonly error: { readonly code: string; readonly message: string } };
      expect(['git_failed', 'project_no_commit']).toContain(error.code);
      await rename(world.project.beside('object'), object);
      await expectNothingStarted(world, before);
      expect(await world.gantry(args)).toMatchObject({ code: 0 });
    },
  );

  scenario(
    'because the collected work was taken away says so instead of going on without it',
    { ...broken, ...notYet, errors: [/with the collected work is gone/] },
    async (world) => {
      const { id, branch } = await world.submitPlan([
        { id: 'T1', acts: [{ write: { path: 'a.txt', content: 'a\n' } }, { text: 'first' }] },
        { id: 'T2', acts: [{ hold: 'go', text: 'second' }] },
        { id: 'T3', acts: [{ run: 'cat a.txt' }, { text: 'third' }], needs: ['T1', 'T2'] },
      ]);
      await world.task(id, 'T1', 'done');
      const collected = await world.project.git(['rev-parse', branch]);
      await world.project.git(['branch', '--quiet', '-D', branch]);
      await world.agent.release('go');
      const failed = await world.task(id, 'T3', 'failed', 'waiting', 'done');
      expect(failed.cause).toContain(branch);
      expect(failed.state).not.toBe('done');
      await world.project.git(['branch', '--quiet', branch, collected]);
      await world.over(id);
      expect(await world.gantry(['retry', failed.id])).toMatchObject({ code: 0 });
      const done = await world.until('the work', ({ requests }) => {
        const request = requests.get(id);
        return request?.state === 'done' && request;
      });
      expect(done.result?.filesChanged.map(({ path }) => path)).toEqual(['a.txt']);
    },
  );

  scenario('of the daemon because its port is taken names the port, and leaves nothing', notYet, async (world) => {
    await world.down();
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as { readonly port: number };
    const refused = await world.gantry(['up', '--port', String(port), '--json']);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.json()).toMatchObject({
      error: { code: 'port_in_use', message: expect.stringContaining(String(port)) },
    });
    expect(await leftovers(world.root)).toEqual([]);
    expect(await world.gantry(['status', '--json'])).toMatchObject({ code: 4 });
    server.close();
    await world.up();
    expect(await world.gantry(['status'])).toMatchObject({ code: 0 });
  });
});

/** A child of a tool that stays; its script calls `tell` when it is as it is to be. */
const stays = (how: string, script: string): string =>
  [
    `mkfifo ${how}.pipe`,
    `${how === 'group' ? 'setsid ' : ''}node -e 'const tell = () => console.log(process.pid); ${script}; setInterval(() => undefined, 60000)' > ${how}.pipe 2> /dev/null &`,
    `read -r pid < ${how}.pipe; rm ${how}.pipe; echo $pid`,
  ].join('\n');

/** Leaves a file that is not committed, and three children of tools that outlive them. */
const CHILDREN = [
  { write: { path: 'half.txt', content: 'half\n' } },
  { run: stays('stubborn', 'process.on("SIGTERM", () => undefined); tell()') },
  { run: stays('group', 'tell()') },
  { run: stays('port', 'require("node:net").createServer().listen(0, "127.0.0.1", tell)') },
];

/** Until they live. */
async function childrenLive(world: World): Promise<void> {
  const tools = await world.until('three children', () => {
    const ended = world.journal.facts.filter((fact) => fact.kind === 'tool.ended');
    return ended.length === CHILDREN.length && ended;
  });
  const pids = tools.slice(1).map(({ data }) => Number(data.output));
  const living = (await leftovers(world.root)) ?? [];
  for (const pid of pids) expect(living.map((one) => one.pid)).toContain(pid);
  expect(living.find(({ pid }) => pid === pids[2])?.ports).toHaveLength(1);
}

describe('a clean end (A7)', () => {
  scenario('ends every child of a tool and keeps the file that was not committed', {}, async (world) => {
    const { id } = await world.submitOne([...CHILDREN, { hold: 'go', text: 'never' }]);
    await childrenLive(world);
    expect(await world.gantry(['cancel', id])).toMatchObject({ code: 0 });
    expect(await world.strangers()).toEqual([]);
    const [attempt] = [...world.journal.view.attempts.values()];
    expect(await readFile(join(attempt?.workspace ?? '', 'half.txt'), 'utf8')).toBe('half\n');
    const explained = await world.gantry(['explain', attempt?.taskId ?? '', '--json']);
    expect(explained.stdout).toContain(`workspace ${attempt?.workspace}`);
    const session = await world.until('its end', ({ sessions }) =>
      [...sessions.values()].find(({ state }) => state === 'stopped'),
    );
    expect(session.cause).toBe('cancelled by person');
  });

  scenario(
    'of an agent that stands by ends what its tools have left, and names what is not saved',
    {},
    async (world) => {
      const started = await world.gantry(['agent', 'start', 'leaver', '--role', 'worker', '--json']);
      expect(started).toMatchObject({ code: 0 });
      const text = world.agent.play(...CHILDREN, { text: 'left' });
      const { id } = await world.call('messages.send', { to: 'leaver', text });
      await childrenLive(world);
      await world.until('the end of the turn', ({ messages }) => messages.get(id)?.state === 'seen');
      const stopped = (await world.gantry(['agent', 'stop', 'leaver', '--json'])).json() as StoppedAgent;
      expect(stopped).toMatchObject({ state: 'stopped', survivors: [], unsaved: ['half.txt'] });
      expect(await world.strangers()).toEqual([]);
      expect(await readFile(join(stopped.workspace ?? '', 'half.txt'), 'utf8')).toBe('half\n');
    },
  );
});
