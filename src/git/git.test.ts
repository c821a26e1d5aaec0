import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeRepository } from '../../test/support/repository.ts';
import { isAlive } from '../process/identity.ts';
import { startProcess } from '../process/spawn.ts';
import { Git } from './git.ts';
import { createBranch } from './refs.ts';

test('git gets its own environment only', async () => {
  await using repo = await makeRepository();
  await repo.git(['config', 'alias.show-env', '!env']);
  const git = new Git({ ...repo.env, GIT_DIR: '/elsewhere', GIT_CONFIG_COUNT: '1', SECRET: 'x', TMPDIR: '/tmp' });
  const names = (await git.read(repo.root, ['show-env'])).split('\n').map((line) => line.split('=')[0]);
  expect(names).toEqual(expect.arrayContaining(['PATH', 'HOME', 'TMPDIR', 'LC_ALL', 'GIT_TERMINAL_PROMPT']));
  expect(names).not.toContain('SECRET');
  expect(names).not.toContain('GIT_CONFIG_COUNT');
});

test("the person's SSH agent and proxies are there for a remote, and for nothing else", async () => {
  await using repo = await makeRepository();
  await repo.git(['config', 'alias.show-env', '!env']);
  const git = new Git({ ...repo.env, SSH_AUTH_SOCK: '/agent', https_proxy: 'http://proxy', SECRET: 'x' });
  const shown = async (isRemote: boolean): Promise<string> => await git.read(repo.root, ['show-env'], { isRemote });
  expect(await shown(true)).toMatch(/^SSH_AUTH_SOCK=\/agent$/m);
  expect(await shown(true)).toMatch(/^https_proxy=http:\/\/proxy$/m);
  expect(await shown(true)).not.toContain('SECRET');
  expect(await shown(false)).not.toMatch(/SSH_AUTH_SOCK|https_proxy/);
});

test("a refusal has git's own words and its exit code", async () => {
  await using repo = await makeRepository();
  const refused = new Git(repo.env).read(repo.root, ['rev-parse', '--verify', 'no-such-thing']);
  await expect(refused).rejects.toMatchObject({
    code: 'git_failed',
    message: expect.stringContaining('ended with 128'),
  });
});

test('an output over the bound is refused, never cut', async () => {
  await using repo = await makeRepository();
  const git = new Git(repo.env);
  await expect(git.read(repo.root, ['log'], { maxOutputBytes: 10 })).rejects.toMatchObject({
    details: { cause: 'output_too_large' },
  });
});

test('no hook of the repository runs', async () => {
  await using repo = await makeRepository();
  const hook = join(repo.root, '.git', 'hooks', 'reference-transaction');
  await writeFile(hook, `#!/bin/sh\necho ran >> ${repo.beside('hook-ran')}\nexit 1\n`, { mode: 0o755 });
  await createBranch(new Git(repo.env), repo.root, 'made', 'main');
  expect(await repo.git(['branch', '--list', 'made'])).toContain('made');
});

test('exclusive work on one repository runs one after the other, also after a failure', async () => {
  const git = new Git({});
  const steps: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = git.exclusive('/a', async () => {
    steps.push('first begins');
    await gate.promise;
    steps.push('first ends');
    throw new Error('first failed');
  });
  const second = git.exclusive('/a', async () => steps.push('second'));
  const other = git.exclusive('/b', async () => steps.push('other repository'));
  await other;
  gate.resolve();
  await expect(first).rejects.toThrow('first failed');
  await second;
  expect(steps).toEqual(['first begins', 'other repository', 'first ends', 'second']);
});

test.runIf(process.platform === 'linux')('what an earlier daemon left running is waited for', async () => {
  await using repo = await makeRepository();
  await repo.git(['config', 'alias.slow', '!cat']);
  const marker = `test:${randomUUID()}`;
  // Marked as the Git of an earlier daemon marks it; it ends at the end of its input.
  const orphan = await startProcess({
    command: ['git', 'slow'],
    cwd: repo.root,
    env: repo.env,
    marker,
    stdin: 'pipe',
    output: 'pipe',
  });
  let isSettled = false;
  const settled = new Git(repo.env, marker).settle().then(() => {
    isSettled = true;
  });
  await new Git(repo.env, 'test:another').settle();
  expect([isSettled, isAlive(orphan.identity)], 'another home did not wait').toEqual([false, true]);
  orphan.endInput();
  await settled;
  expect(isAlive(orphan.identity)).toBe(false);
  await orphan.exited;
});

test.runIf(process.platform === 'linux')('git bears the marker', async () => {
  await using repo = await makeRepository();
  await repo.git(['config', 'alias.show-env', '!env']);
  expect(await new Git(repo.env, 'test:m').read(repo.root, ['show-env'])).toContain('GANTRY_SPAWN=test:m\n');
});
