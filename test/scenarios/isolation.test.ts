import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { until } from '../../src/base/wait.ts';
import { sandboxProblem } from '../../src/hosts/sandbox.ts';
import { scenario } from '../support/scenario.ts';
import { begun, reaching, WAITS } from '../support/walls.ts';
import type { World } from '../support/world.ts';

const problem = await sandboxProblem(process.env.PATH ?? '');

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
      const workspace = await begun(world, 'sandbox');
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
