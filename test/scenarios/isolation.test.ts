import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { until } from '../../src/base/wait.ts';
import { sandboxProblem } from '../../src/hosts/sandbox.ts';
import { openPodman, TEST_IMAGE } from '../support/podman.ts';
import { scenario } from '../support/scenario.ts';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import type { World } from '../support/world.ts';

const podman = await openPodman();
afterAll(() => podman[Symbol.asyncDispose]());

const problem = await sandboxProblem(process.env.PATH ?? '');

/** Runs until a file is there. */
const WAITS = 'touch begun; until test -e go; do sleep 0.1; done';

/** The workspace of a request whose agent runs `WAITS`. */
async function begun(world: World, id: string): Promise<string> {
  const workspace = await world.until('the workspace', ({ attempts }) => {
    const attempt = [...attempts.values()].find(({ requestId, state }) => requestId === id && state === 'working');
    return attempt?.workspace;
  });
  await until(
    () => Promise.resolve(existsSync(join(workspace, 'begun'))),
    { everyMs: 50, limitMs: 60_000 },
    () => new Error('the agent did not begin'),
  );
  return workspace;
}

/** What an agent tries, by name; each is a command that must fail. */
const tricks = (world: World, other: string): Readonly<Record<string, string>> => ({
  'a file of the user': `cat ${world.userHome}/.gitconfig`,
  "Gantry's home": `cat ${world.home}/config.jsonc`,
  'another workspace': `ls ${other}`,
  "the user's own checkout": `ls ${world.project.root}/README.md`,
  'a link out of the workspace': `ln -s ${world.userHome}/.gitconfig link && cat link`,
  'the directory above': 'ls ../../* | grep -v tsk_ | grep .',
  'a file beside the workspace': 'echo x > ../../../config.jsonc && false',
  'the system': 'echo x > /usr/bin/x',
  "the daemon's environment": `cat /proc/${world.daemonPid}/environ`,
  'a signal to the daemon': `kill -0 ${world.daemonPid}`,
  'a hook of the repository': `echo x > ${world.project.root}/.git/hooks/post-commit`,
  'the configuration of git': 'git config core.fsmonitor /tmp/x',
  'the pointer of the worktree': 'echo "gitdir: /tmp" > .git',
  'the pointer to the repository': 'echo /tmp > "$(git rev-parse --git-dir)/commondir"',
  "the user's branch": 'git update-ref refs/heads/main HEAD~1 || git branch -f main HEAD',
  'the network': 'curl -s --noproxy "*" -m 5 http://192.0.2.1/ || ip route get 192.0.2.1 || exit 1',
});

/** The model of an agent is reached by its port alone. */
const reaching = (agent: ScriptedAgent) => ({
  walls: { reach: JSON.stringify(agent.settings).match(/127\.0\.0\.1:\d+/g) ?? [] },
});

describe.skipIf(problem !== null)(`isolation${problem === null ? '' : ` (${problem})`}`, () => {
  scenario('an agent in a sandbox works, commits and is checked', { config: reaching }, async (world) => {
    const commit = 'git add -A && git -c user.name=a -c user.email=a@b commit -qm mine';
    const acts = [{ write: { path: 'made.txt', content: 'made' } }, { run: `ls && ${commit}` }, { text: 'made' }];
    const { id } = await world.submitPlan([{ id: 'T1', check: 'grep -q made made.txt', acts }], {
      isolation: 'sandbox',
    });
    expect(await world.over(id)).toMatchObject({ state: 'done' });
    const log = await world.project.git(['log', '--format=%s', `gantry/${id.slice('req_'.length)}`]);
    expect(log.split('\n')).toContain('mine');
  });

  scenario(
    'an agent in a sandbox ends with the daemon that is killed, and its work goes on with the next',
    { config: reaching, deaths: 1, not: { real: 'the walls are the same' } },
    async (world) => {
      const { id } = await world.submitOne([{ run: WAITS }, { text: 'made' }], { isolation: 'sandbox' });
      const workspace = await begun(world, id);
      await world.kill();
      await until(
        async () => ((await world.strangers()).length === 0 ? true : null),
        { everyMs: 50, limitMs: 60_000 },
        () => new Error('what ran in the sandbox goes on without a daemon'),
      );
      await writeFile(join(workspace, 'go'), '');
      await world.up();
      expect(await world.over(id)).toMatchObject({ state: 'done' });
    },
  );

  scenario(
    'an agent in a sandbox gets at nothing else',
    { config: { limits: { maxAttempts: 1 } }, not: { real: 'the walls are the same' } },
    async (world) => {
      const first = await world.submitOne([{ write: { path: 'first.txt', content: '1\n' } }, { fail: 'no more' }], {});
      await world.over(first.id);
      const { workspace = '' } = [...world.journal.view.attempts.values()][0] ?? {};
      expect(existsSync(workspace)).toBe(true);
      const lines = Object.entries(tricks(world, workspace)).map(
        ([name, command]) => `if ( ${command} ) >>seen.txt 2>&1; then echo '${name}' >> through.txt; fi`,
      );
      const { id } = await world.submitPlan(
        [
          {
            id: 'T1',
            check: 'test -f made.txt && test ! -e "$HOME/.gitconfig"',
            acts: [
              { run: `touch through.txt\n${lines.join('\n')}` },
              {
                run: 'rm -f link; echo made > made.txt; git add -A && git -c user.name=a -c user.email=a@b commit -qm mine && env > env.txt',
              },
              { text: 'made' },
            ],
          },
        ],
        { isolation: 'sandbox' },
      );
      const request = await world.over(id);
      expect(request).toMatchObject({ state: 'done' });
      const show = (file: string): Promise<string> =>
        world.project.git(['show', `gantry/${id.slice('req_'.length)}:${file}`]);
      expect(await show('through.txt')).toBe('');
      expect(await show('made.txt')).toBe('made');
      expect(await show('seen.txt')).not.toContain('A Person');
      expect(await show('env.txt')).toContain('GANTRY_TASK=');
      const [attempt] = [...world.journal.view.attempts.values()].filter(({ requestId }) => requestId === id);
      expect(attempt).toMatchObject({ isolation: 'sandbox', state: 'done' });
      expect(await readFile(join(world.home, 'config.jsonc'), 'utf8')).toContain('fake');
    },
  );
});

/** What the agent writes down for tests goes where it may write. */
const logInside = ({ backend, settings }: ScriptedAgent) => ({
  backends: {
    [backend]: { ...settings, env: { GANTRY_FAKE_LOG: '/tmp/agent.log', GANTRY_FAKE_CONTROL: '/tmp/control' } },
  },
});

if (podman.problem !== null) test.skip(`isolation by containers (${podman.problem})`);
else
  scenario(
    'without the image a request is refused and doctor says why; with it an agent works in a container that ends',
    { config: logInside, deaths: 1, not: { real: 'the walls are the same' } },
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
      const workspace = await begun(world, going.id);
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
