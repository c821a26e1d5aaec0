import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { until } from '../../src/base/wait.ts';
import { sandboxProblem } from '../../src/hosts/sandbox.ts';
import { httpClient, tokenOf } from '../support/mcp.ts';
import { openPodman, TEST_IMAGE } from '../support/podman.ts';
import { scenario } from '../support/scenario.ts';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import { begun, reaching, WAITS } from '../support/walls.ts';
import type { World } from '../support/world.ts';

const problem = await sandboxProblem(process.env.PATH ?? '');
const podman = await openPodman();
afterAll(() => podman[Symbol.asyncDispose]());

/** What the fake agent writes down for tests goes where it may write. */
const quiet = ({ backend, settings }: ScriptedAgent) =>
  backend === 'fake' && {
    backends: {
      [backend]: { ...settings, env: { GANTRY_FAKE_LOG: '/tmp/agent.log', GANTRY_FAKE_CONTROL: '/tmp/control' } },
    },
  };
const inImage = (agent: ScriptedAgent) => ({ ...reaching(agent), ...quiet(agent), container: { image: TEST_IMAGE } });

/** What an agent puts into its workspace for whoever reads it from outside of the walls, and waits for a file. */
const script = (world: World): string =>
  [
    `: ${waits(world)}`,
    'ln -s /etc/passwd leak',
    'ln -s ../../../.. up',
    'mkfifo pipe',
    'touch begun',
    'until test -e go; do sleep 0.1; done',
  ].join('; ');

/** Names the command that waits. */
const waits = ({ root }: World): string => `${basename(root)}-waits`;

async function nineTools(world: World, isolation: 'sandbox' | 'container'): Promise<void> {
  await using mcp = await httpClient(world, { token: await tokenOf(world), headers: { 'x-agent-id': 'walled' } });
  const value = async (name: string, args: object = {}): Promise<Record<string, unknown>> =>
    (await mcp.tool(name, { ...args })).value;
  expect(await value('ping')).toMatchObject({ status: 'ok' });
  const acts = [{ write: { path: 'out.txt', content: 'of it\n' } }, { run: script(world) }, { text: 'made' }];
  const task_description = `Do it: mark-secret-9.\n${world.agent.play(...acts)}`;
  const { task_id } = await value('opencode_execute_task', { task_description, isolation, timeout_ms: 600_000 });
  const workspace = await begun(world, isolation);

  expect(await value('health')).toMatchObject({ metrics: { active_tasks: 1 } });
  expect(await value('get_task_status', { task_id })).toMatchObject({ status: 'running', agent_id: 'walled' });
  const read = (file_path: string) => value('read_task_file', { task_id, file_path });
  for (const isOver of [false, true]) {
    if (isOver) {
      expect(await value('send_task_message', { task_id, message: 'mark-said' })).toMatchObject({ delivery: 'queued' });
      await noSecretIn(world);
      const control = (signal: string) => value('send_task_control', { task_id, control: signal });
      expect(await control('pause')).toMatchObject({ previous_status: 'running', new_status: 'paused' });
      const going = (await argumentLists()).filter((line) => line.includes(waits(world)));
      if (isolation === 'sandbox') expect(going).toEqual([]);
      else expect(await inPodman('ps', '--all', '--format', '{{.Status}}')).toContain('Paused');
      await writeFile(join(workspace, 'go'), '');
      expect(await control('resume')).toMatchObject({ previous_status: 'paused' });
      expect(await value('wait_task', { task_id, wait_ms: 120_000 })).toMatchObject({ status: 'completed' });
    }
    const { files } = await value('get_task_files', { task_id });
    expect(files).toEqual(expect.arrayContaining(['begun', 'leak', 'out.txt', 'up']));
    expect(await read('out.txt')).toMatchObject({ content: 'of it\n' });
    for (const path of ['leak', '../x', '/etc/passwd', '.git', 'a\0b'])
      expect([path, await read(path)]).toMatchObject([path, { code: 'PATH_REFUSED' }]);
    if (!isOver) expect(await read('pipe')).toMatchObject({ code: 'PATH_REFUSED' });
    expect(await read('up/etc/passwd')).toMatchObject({ code: isOver ? 'FILE_NOT_FOUND' : 'PATH_REFUSED' });
    const { events } = await value('get_task_history', { task_id });
    const types = (events as { type: string }[]).map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(['task_started', 'task_progress', ...(isOver ? ENDED : [])]));
  }
  expect(await value('send_task_message', { task_id, message: 'late' })).toMatchObject({ code: 'ILLEGAL_STATE' });
}

const ENDED = ['task_paused', 'task_resumed', 'task_completed'];

/** What a task is told and the token of its agent are in no argument list. */
async function noSecretIn(world: World): Promise<void> {
  const seen = await argumentLists();
  const own = seen.filter((line) => line.includes(world.root));
  expect(own.length).toBeGreaterThan(0);
  expect(seen.filter((line) => line.includes('mark-secret-9'))).toEqual([]);
  expect(own.filter((line) => line.includes('gty_'))).toEqual([]);
}

async function argumentLists(): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  return await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
}

describe.skipIf(problem !== null)(`the tools of the task server${problem === null ? '' : ` (${problem})`}`, () => {
  scenario('work for an agent in a sandbox', { config: inImage }, (world) => nineTools(world, 'sandbox'));
});

if (podman.problem !== null) test.skip(`an agent in a container (${podman.problem})`);
else
  scenario('the tools of the task server work for an agent in a container', { config: inImage }, async (world) => {
    await world.down();
    Object.assign(world.env, podman.env, { HOME: world.userHome });
    await world.up();
    await nineTools(world, 'container');
  });

if (podman.problem === null)
  scenario(
    'without the image a request is refused and doctor says why; with it an agent works in a container that ends',
    { config: (agent) => ({ ...quiet(agent) }), deaths: 1, not: { real: 'the walls are the same' } },
    async (world) => {
      const asked = () =>
        world.call('delegations.submit', {
          callerId: 'caller',
          description: `Do it.\n${world.agent.play({ run: TRIES }, { text: 'made' })}`,
          project: world.project.root,
          isolation: 'container',
        });
      await expect(asked()).rejects.toMatchObject({ code: 'isolation_missing' });
      const { checks } = await world.call('doctor', { isQuick: true });
      const row = checks.find(({ name }) => name === 'isolation container');
      expect(row).toMatchObject({ status: 'notice', detail: expect.stringContaining('gantry image build') });

      await world.down();
      Object.assign(world.env, podman.env, { HOME: world.userHome });
      await world.up();
      expect(await world.gantry(['image', 'build', '--base', TEST_IMAGE])).toMatchObject({ code: 0 });
      const { view } = await asked();
      const end = await world.call('delegations.get', { id: view.id, waitMs: 0 });
      const requestId = end.view.requestId;
      expect(await world.over(requestId)).toMatchObject({ state: 'done' });
      const show = (file: string) => world.project.git(['show', `gantry/${requestId.slice('req_'.length)}:${file}`]);
      expect(await show('tries.txt')).toBe('uid 1000\nread-only\nno home\nno capabilities');
      const { items } = await world.call('delegations.files', { id: view.id });
      expect(items.map(({ path }) => path)).toContain('tries.txt');
      expect(await inPodman('ps', '--all', '--quiet')).toBe('');

      // The daemon is killed in the middle: its containers end, and what it might have left goes at the next start.
      const going = await world.submitOne([{ run: WAITS }, { text: 'made' }], { isolation: 'container' });
      const workspace = await begun(world, 'container');
      const home = await inPodman('inspect', '--latest', '--format', '{{index .Config.Labels "gantry.home"}}');
      await world.kill();
      const stopped = (of: string) => inPodman('create', '--label', `gantry.home=${of}`, TEST_IMAGE, 'true');
      const [ours, other] = [await stopped(home), await stopped('other')];
      await writeFile(join(workspace, 'go'), '');
      await world.up();
      expect(await world.over(going.id)).toMatchObject({ state: 'done' });
      const swept = world.journal.facts.flatMap(({ kind, data }) => (kind === 'swept' ? [data.what] : []));
      expect(swept).toContain(`container ${ours.slice(0, 12)}`);
      expect(await inPodman('ps', '--all', '--quiet', '--no-trunc')).toBe(other);
    },
  );

if (podman.problem === null)
  scenario(
    'a pause freezes an agent in a container, also for a cancel and over a kill of the daemon; a resume thaws it',
    { config: inImage, deaths: 1, not: { real: 'the walls are the same' } },
    async (world) => {
      await world.down();
      Object.assign(world.env, podman.env, { HOME: world.userHome });
      await world.up();
      const ofAgents = ['--filter', 'label=gantry.work', '--no-trunc', '--format', '{{.ID}} {{.Status}}'];
      const containers = () => inPodman('ps', '--all', ...ofAgents);
      const none = () =>
        until(
          async () => ((await containers()) === '' ? true : null),
          { everyMs: 100, limitMs: 60_000 },
          () => new Error('a container is left'),
        );
      const paused = async () => {
        const { id } = await world.submitOne([{ run: WAITS }, { text: 'made' }], { isolation: 'container' });
        const workspace = await begun(world, 'container');
        const container = (await containers()).split(' ')[0];
        await world.call('things.pause', { id, reason: 'a look at it' });
        expect(await containers()).toBe(`${container} Paused`);
        const attempt = await world.until('its attempt, with a frozen session', ({ attempts, sessions }) =>
          [...attempts.values()].find(
            ({ requestId, sessionId }) => requestId === id && sessions.get(sessionId ?? '')?.state === 'paused',
          ),
        );
        const { lines } = await world.call('things.explain', { id: attempt.taskId });
        expect(lines).toContain('its session is paused: frozen: a look at it');
        await writeFile(join(workspace, 'go'), '');
        return { id, attemptId: attempt.id };
      };

      const first = await paused();
      await world.call('things.resume', { id: first.id });
      expect(await world.over(first.id)).toMatchObject({ state: 'done' });
      const seen = world.journal.view.attempts.get(first.attemptId);
      expect([seen?.prompts.map(({ kind }) => kind), seen?.resumes]).toEqual([['task'], 0]);

      await none();
      const second = await paused();
      await world.call('things.cancel', { id: second.id });
      expect(await containers()).toBe('');

      const third = await paused();
      await world.kill();
      await world.up();
      expect(await containers()).toBe('');
      await world.call('things.resume', { id: third.id });
      expect(await world.over(third.id)).toMatchObject({ state: 'done' });
      await none();
    },
  );

const inPodman = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)('podman', args, { env: podman.env })).stdout.trim();

/** What a container must be, each in a line. */
const TRIES = [
  'echo "uid $(id -u)"',
  'touch /usr/bin/x 2>/dev/null || echo read-only',
  'ls "$HOME/.gitconfig" 2>/dev/null || echo "no home"',
  'grep -q "CapEff:.0000000000000000" /proc/self/status && echo "no capabilities"',
]
  .map((line) => `( ${line} ) >> tries.txt`)
  .join('; ');
