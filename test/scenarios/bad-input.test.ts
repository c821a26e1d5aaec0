import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Problem } from '../../src/contract/shapes.ts';
import { commonCheck, scenario, settingsOf } from '../support/scenario.ts';
import { fake } from '../support/scripted-agent.ts';
import { tempDir } from '../support/temp.ts';
import { World } from '../support/world.ts';

const run = promisify(execFile);

type Answer = { readonly status: number; readonly problem: Partial<Problem> };
type Ask = {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
};

describe('bad input is a clear error, and the daemon lives on', () => {
  let world: World;
  let before: Awaited<ReturnType<typeof settingsOf>>;
  let token: string;

  beforeAll(async () => {
    world = await World.make(fake);
    before = await settingsOf(world);
    await world.up();
    token = ((await world.gantry(['token', '--json'])).json() as { readonly token: string }).token;
  });

  afterAll(async () => {
    await commonCheck(world, before);
    await world[Symbol.asyncDispose]();
  });

  const allHeaders = (headers: Record<string, string>): Record<string, string> => ({
    Authorization: `Bearer ${token}`,
    'Content-Type': 'application/json',
    ...headers,
  });

  /** As a program would that is not the client: nothing is put right on the way. */
  const ask = async (path: string, { method = 'POST', headers = {}, body }: Ask = {}): Promise<Answer> => {
    const given = { method, headers: allHeaders(headers), ...(body !== undefined && { body }) };
    const response = await fetch(`${world.client.url}${path}`, given);
    return { status: response.status, problem: (await response.json()) as Partial<Problem> };
  };

  /** `fetch` sends no Host but its own. */
  const askAs = (headers: Record<string, string>): Promise<number> =>
    new Promise((resolve, reject) => {
      const options = { headers: allHeaders(headers), agent: false };
      get(`${world.client.url}/api/v1/status`, options, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).on('error', reject);
    });

  const lives = async (): Promise<void> => {
    expect(await world.call('status', {})).toMatchObject({ pid: world.daemonPid });
  };

  const submitPath = '/api/v1/requests';
  const bodies: readonly (readonly [string, string | Uint8Array<ArrayBuffer>, number, string])[] = [
    ['no JSON', '{"text": ', 400, 'bad_request'],
    ['no object', '"text"', 400, 'bad_request'],
    ['wrong types', '{"text": 7, "project": ["x"], "options": {"maxParallel": "many"}}', 400, 'bad_request'],
    ['an unknown key', '{"text": "x", "project": "/", "colour": "red"}', 400, 'bad_request'],
    ['10 MB', JSON.stringify({ text: 'x'.repeat(10_000_000), project: '/' }), 413, 'too_large'],
    ['200,000 levels', `${'['.repeat(200_000)}${']'.repeat(200_000)}`, 400, 'bad_request'],
    ['200,000 levels of objects', `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`, 400, 'bad_request'],
    ['half a character', Uint8Array.of(0x7b, 0x22, 0xff, 0xfe), 400, 'bad_request'],
  ];
  for (const [name, body, status, code] of bodies) {
    it(`a body of ${name}`, async () => {
      const { problem, ...answer } = await ask(submitPath, { body });
      expect({ ...answer, code: problem.code }).toEqual({ status, code });
      expect(problem.detail).toMatch(/\S/);
      if (name === 'wrong types') {
        expect(problem.issues?.map(({ path }) => path)).toEqual(['text', 'project', 'options.maxParallel']);
      }
      await lives();
    });
  }

  it('a wrong token, by HTTP and by the CLI', async () => {
    expect(
      await ask('/api/v1/status', { method: 'GET', headers: { Authorization: 'Bearer gty_wrong' } }),
    ).toMatchObject({
      status: 401,
      problem: { code: 'unauthorized' },
    });
    expect(await world.gantry(['status', '--token', 'gty_wrong', '--json'])).toMatchObject({ code: 4 });
    expect(await world.gantry(['tasks', '--token', 'gty_wrong', '--json'])).toMatchObject({ code: 4 });
    await lives();
  });

  const sites = [{ Host: 'evil.example' }, { Origin: 'https://evil.example' }, { Host: 'localhost.evil.example:80' }];
  for (const headers of sites) {
    it(`a foreign ${JSON.stringify(headers)}`, async () => {
      expect(await askAs(headers)).toBe(403);
      expect(await askAs({})).toBe(200);
    });
  }

  it('a path and a method that do not exist', async () => {
    expect(await ask('/api/v1/nothing', { method: 'GET' })).toMatchObject({
      status: 404,
      problem: { code: 'not_found' },
    });
    expect(await ask('/api/v1/status', { method: 'POST', body: '{}' })).toMatchObject({
      status: 405,
      problem: { code: 'method_not_allowed' },
    });
    expect(await ask('/api/v1/requests/req_none', { method: 'GET' })).toMatchObject({ status: 400 });
    expect(await ask('/api/v1/requests/req_000000000000', { method: 'GET' })).toMatchObject({ status: 404 });
  });

  const commands: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    ['an unknown command', ['rnu'], 2, /rnu/],
    ['an unknown flag', ['tasks', '--colour'], 2, /--colour/],
    [
      'an accepted value that is not one',
      ['approve', 'apr_000000000000', '--for', 'ever'],
      2,
      /once.*session.*project/,
    ],
    ['a number that is none', ['tasks', '--limit', 'many'], 2, /many/],
    ['an id of another kind', ['approve', 'req_000000000000'], 2, /apr/],
    ['an id that does not exist', ['show', 'tsk_000000000000'], 7, /tsk_000000000000/],
    ['an unknown backend', ['run', '--yes', '--backend', 'nobody', 'x'], 2, /nobody.*accepted: .*fake/],
    ['an unknown role', ['run', '--yes', '--role', 'nobody', 'x'], 2, /nobody.*accepted: .*worker, reviewer/],
  ];
  for (const [name, args, code, words] of commands) {
    it(`of the CLI: ${name}`, async () => {
      const result = await world.gantry(args);
      expect(result).toMatchObject({ code, stdout: '' });
      expect(result.stderr).toMatch(words);
      expect(result.stderr).not.toMatch(/\n\s+at /);
    });
  }

  it('a project that is not a directory, not a repository, without a commit, or dirty', async () => {
    const scratch = join(world.root, 'scratch');
    await mkdir(join(scratch, 'plain'), { recursive: true });
    await writeFile(join(scratch, 'file'), 'x');
    const empty = await world.addProject({ hasCommit: false });
    const dirty = await world.addProject();
    await dirty.write('README.md', 'Changed.\n');
    const refusals = [
      [join(scratch, 'file'), 'project_not_directory'],
      [join(scratch, 'nothing'), 'project_not_directory'],
      [join(scratch, 'plain'), 'project_not_git'],
      [empty.root, 'project_no_commit'],
      [dirty.root, 'project_dirty'],
    ] as const;
    for (const [project, code] of refusals) {
      const result = await world.gantry(['run', '--yes', '--single', '--json', '--project', project, 'x']);
      expect(result, project).toMatchObject({ code: 2 });
      expect(result.json()).toMatchObject({ error: { code, message: expect.stringContaining(project) } });
    }
    expect(await world.call('requests.list', {})).toMatchObject({ items: [] });
    const text = `Do it.\n${world.agent.play({ text: 'answer' })}`;
    const args = ['run', '--yes', '--single', '--json', '--allow-dirty', '--project', dirty.root, text];
    expect(await world.gantry(args)).toMatchObject({ code: 0 });
    expect(await readFile(join(dirty.root, 'README.md'), 'utf8')).toBe('Changed.\n');
  });
});

/** No agent program has a part in it. */
const anyBackend = { not: { real: 'the program has no part in it' } };

describe('a configuration that is wrong', () => {
  const faulty = /config\.jsonc:\d+: limit: unknown key .*did you mean "limits"/;

  scenario('is refused with file, line and nearest name; what runs goes on as it was', anyBackend, async (world) => {
    const file = join(world.home, 'config.jsonc');
    const good = await readFile(file, 'utf8');
    const { id } = await world.submitOne([{ hold: 'go', text: 'as before' }]);
    await world.task(id, 'T1', 'working');
    await writeFile(file, good.replace('"limits"', '"limit"'));
    for (const args of [
      ['config', 'explain'],
      ['run', '--yes', '--single', 'x'],
    ]) {
      const refused = await world.gantry([...args, '--json']);
      expect(refused, args.join(' ')).toMatchObject({ code: 2 });
      expect(refused.json()).toMatchObject({ error: { code: 'bad_config', message: expect.stringMatching(faulty) } });
    }
    await world.agent.release('go');
    expect(await world.over(id)).toMatchObject({ state: 'done' });
    await world.down();
    const refused = await world.gantry(['up', '--port', '0', '--json']);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.json()).toMatchObject({ error: { code: 'bad_config', message: expect.stringMatching(faulty) } });
    await writeFile(file, good);
    await world.up();
  });
});

describe('an agent that says too much', () => {
  const not = { real: 'its lines are not ours' };
  scenario('in one line of 10 MB loses the line, and goes on', { not }, async (world) => {
    const { id } = await world.submit(
      `Do it.\n@@fake ${JSON.stringify([{ bigLine: 10 * 1024 * 1024 + 1 }, { malformed: 3 }, { text: 'went on' }])}`,
      {
        options: { isSingleTask: true },
      },
    );
    expect(await world.over(id)).toMatchObject({ state: 'done' });
    expect((await world.task(id)).result?.summary).toBe('went on');
    const notices = world.journal.facts.flatMap(({ kind, data }) => (kind === 'notice' ? [data.text] : []));
    expect(notices[0]).toMatch(/a line of 104\d+ bytes .* was dropped/);
    expect(notices.slice(1)).toHaveLength(3);
  });
});

describe('a machine without git', () => {
  scenario('is told so', anyBackend, async (world) => {
    await world.down();
    const bin = join(world.root, 'scratch');
    await mkdir(bin);
    for (const program of [process.execPath, '/bin/sh'])
      await symlink(program, join(bin, program.split('/').at(-1) ?? ''));
    const withGit = world.env.PATH ?? '';
    world.env.PATH = bin;
    await world.up();
    const result = await world.gantry(['run', '--yes', '--single', '--json', 'x']);
    expect(result).toMatchObject({ code: 2 });
    expect(result.json()).toMatchObject({ error: { code: 'git_missing', message: expect.stringContaining('git') } });
    expect(await world.call('status', {})).toMatchObject({ pid: world.daemonPid });
    world.env.PATH = withGit;
  });
});

const mountSmall = (directory: string): Promise<unknown> =>
  run('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=0700', 'gantry-test', directory]);
const unmount = (directory: string): Promise<unknown> => run('umount', ['-l', directory]);

/** As root on Linux a small file system can be had, unless a container forbids it; the skip is named in the summary. */
async function isMountable(): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  await using scratch = await tempDir();
  const isMounted = await mountSmall(scratch.path).then(
    () => true,
    () => false,
  );
  if (isMounted) await unmount(scratch.path);
  return isMounted;
}
const canMount = await isMountable();

describe.skipIf(!canMount)('a disk that is full (needs root to mount a small one)', () => {
  it('is told to who asks; nothing that was acknowledged is lost, and work goes on when there is room', async () => {
    await using world = await World.make(fake);
    const config = await readFile(join(world.home, 'config.jsonc'));
    await mountSmall(world.home);
    try {
      await writeFile(join(world.home, 'config.jsonc'), config);
      await world.up();
      const first = await world.submitOne([{ text: 'before' }]);
      await world.over(first.id);
      const filler = join(world.home, 'filler');
      await expect(run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096'])).rejects.toThrow(/No space left/);
      const big = { to: 'project/worker/worker-1', text: 'x'.repeat(90_000) };
      const accepted: string[] = [];
      const refused: unknown[] = [];
      for (let i = 0; i < 40 && refused.length < 3; i += 1) {
        try {
          accepted.push((await world.call('messages.send', big)).id);
        } catch (error) {
          refused.push(error);
        }
      }
      expect(refused).toHaveLength(3);
      for (const error of refused) expect(error).toMatchObject({ code: 'disk_full' });
      const cli = await world.gantry(['send', big.to, big.text, '--json']);
      expect(cli).toMatchObject({ code: 1 });
      expect(cli.json()).toMatchObject({ error: { code: 'disk_full' } });
      expect(await world.call('status', {})).toMatchObject({ pid: world.daemonPid });
      const listed = async (): Promise<string[]> =>
        (await world.call('messages.list', { limit: 1000 })).items.map(({ id }) => id).sort();
      expect(await listed()).toEqual([...accepted].sort());

      await run('rm', [filler]);
      const second = await world.submitOne([{ text: 'after' }]);
      expect(await world.over(second.id)).toMatchObject({ state: 'done' });
      await world.kill();
      await world.up();
      expect(await listed()).toEqual([...accepted].sort());
      expect(await world.call('requests.get', { id: first.id })).toMatchObject({ request: { state: 'done' } });
    } finally {
      await world.down();
      await unmount(world.home);
    }
  });
});
