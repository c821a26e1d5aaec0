import { chmod, mkdir, readdir, readFile, rm, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeRepository, type TestRepository } from '../../test/support/repository.ts';
import { Git } from './git.ts';
import { commitAll, snapshot } from './snapshot.ts';

const take = (repo: TestRepository, name = 'test'): Promise<string | null> =>
  snapshot(new Git(repo.env), { path: repo.root, name, message: 'a snapshot\n' });

/** Path → content of a commit's files; links as `-> target`. */
async function filesOf(repo: TestRepository, commit: string | null): Promise<Record<string, string>> {
  if (commit === null) throw new Error('nothing was saved');
  const entries = (await repo.git(['ls-tree', '-r', '-z', commit])).split('\0').filter((entry) => entry !== '');
  const files = await Promise.all(
    entries.map(async (entry) => {
      const [facts = '', path = ''] = entry.split('\t');
      const [mode, type = '', id = ''] = facts.split(' ');
      const content = type === 'blob' ? await repo.git(['cat-file', type, id]) : type;
      return [path, mode === '120000' ? `-> ${content}` : content] as const;
    }),
  );
  return Object.fromEntries(files);
}

const state = async (repo: TestRepository): Promise<unknown> => ({
  status: await repo.git(['-c', 'core.quotePath=true', 'status', '--porcelain=v2', '--branch', '--ignored', '-z']),
  index: await readFile(join(repo.root, '.git', 'index')),
  head: await readFile(join(repo.root, '.git', 'HEAD'), 'utf8'),
  branches: await repo.git(['for-each-ref', 'refs/heads']),
  stash: await repo.git(['stash', 'list']),
});

test('a clean checkout needs no snapshot and gets no ref', async () => {
  await using repo = await makeRepository();
  expect(await take(repo)).toBeNull();
  expect(await repo.git(['for-each-ref', 'refs/gantry'])).toBe('');
});

test('staged, changed, deleted, untracked and oddly named files are saved; ignored ones are not; nothing else changes', async () => {
  await using repo = await makeRepository();
  await repo.write('.gitignore', '*.log\n');
  await repo.write('deleted', 'x');
  await repo.write('mode', 'x');
  await repo.commit('base');
  await repo.write('README.md', 'staged\n');
  await repo.git(['add', 'README.md']);
  await repo.write('README.md', 'changed again\n');
  await rm(join(repo.root, 'deleted'));
  await chmod(join(repo.root, 'mode'), 0o755);
  const names = ['with space', 'ünïcode 漢/🙂', 'new\nline', '-dash', ':(exclude)colon', '*star?'];
  for (const name of names) await repo.write(name, name);
  await repo.write('noise.log', 'ignored');
  await symlink('/etc/hostname', join(repo.root, 'link'));
  await symlink('gone', join(repo.root, 'dangling'));
  const before = await state(repo);

  const commit = await take(repo);

  expect(await state(repo)).toEqual(before);
  expect(await filesOf(repo, commit)).toEqual({
    '.gitignore': '*.log',
    'README.md': 'changed again',
    mode: 'x',
    link: '-> /etc/hostname',
    dangling: '-> gone',
    ...Object.fromEntries(names.map((name) => [name, name])),
  });
  expect(await repo.git(['rev-parse', 'refs/gantry/snapshots/test', `${commit}^`])).toBe(
    `${commit}\n${await repo.git(['rev-parse', 'HEAD'])}`,
  );
});

test('a second snapshot keeps the first; the same state again is the same commit', async () => {
  await using repo = await makeRepository();
  await repo.write('work', 'one');
  const first = await take(repo);
  expect(await take(repo)).toBe(first);
  await repo.write('work', 'two');
  const second = await take(repo);
  const head = await repo.git(['rev-parse', 'HEAD']);
  expect((await repo.git(['rev-parse', `${second}^@`])).split('\n')).toEqual([head, first]);
});

test('the state of a conflict is saved', async () => {
  await using repo = await makeRepository();
  await repo.git(['checkout', '--quiet', '-b', 'side']);
  await repo.write('README.md', 'side\n');
  await repo.commit('side');
  await repo.git(['checkout', '--quiet', 'main']);
  await repo.write('README.md', 'main\n');
  await repo.commit('main');
  await expect(repo.git(['merge', '--quiet', 'side'])).rejects.toThrow();
  const before = await state(repo);
  expect((await filesOf(repo, await take(repo)))['README.md']).toContain('<<<<<<<');
  expect(await state(repo)).toEqual(before);
});

test.each(['--assume-unchanged', '--skip-worktree'])('a change hidden by %s is saved all the same', async (flag) => {
  await using repo = await makeRepository();
  await repo.git(['update-index', flag, 'README.md']);
  await repo.write('README.md', 'hidden\n');
  expect(await repo.git(['status', '--porcelain'])).toBe('');
  const before = await state(repo);
  expect(await filesOf(repo, await take(repo))).toEqual({ 'README.md': 'hidden' });
  expect(await state(repo)).toEqual(before);
});

test('a change of equal length in the moment of the last add is saved', async () => {
  await using repo = await makeRepository();
  await repo.git(['config', 'core.trustctime', 'false']);
  const moment = new Date(1_700_000_000_000);
  const file = join(repo.root, 'file');
  await repo.write('file', 'aaaa');
  await utimes(file, moment, moment);
  await repo.commit('file');
  await repo.write('file', 'bbbb');
  await utimes(file, moment, moment);
  await utimes(join(repo.root, '.git', 'index'), moment, moment);
  expect((await filesOf(repo, await take(repo))).file).toBe('bbbb');
});

test('files of repositories made inside are saved, with or without a commit of their own', async () => {
  await using repo = await makeRepository();
  for (const name of ['with', 'without', 'with/deeper']) {
    await mkdir(join(repo.root, name), { recursive: true });
    await repo.git(['init', '--quiet'], join(repo.root, name));
    await repo.write(`${name}/file`, name);
  }
  await mkdir(join(repo.root, 'empty'));
  await repo.git(['init', '--quiet'], join(repo.root, 'empty'));
  await repo.commit('inner', join(repo.root, 'with/deeper'));
  await repo.git(['add', 'file'], join(repo.root, 'with'));
  await repo.git(['commit', '--quiet', '--message', 'inner'], join(repo.root, 'with'));
  expect(await filesOf(repo, await take(repo))).toEqual({
    'README.md': 'A project.',
    'with/file': 'with',
    'with/deeper/file': 'with/deeper',
    'without/file': 'without',
  });
});

test('a repository without a commit and one with a detached HEAD can be saved', async () => {
  await using fresh = await makeRepository({ hasCommit: false });
  expect(await take(fresh)).toBeNull();
  await fresh.write('first', '1');
  expect(await filesOf(fresh, await take(fresh))).toEqual({ first: '1' });

  await using repo = await makeRepository();
  await repo.git(['checkout', '--quiet', '--detach']);
  await repo.write('work', '1');
  expect(await filesOf(repo, await take(repo))).toEqual({ 'README.md': 'A project.', work: '1' });
});

test('a name that git does not allow is refused', async () => {
  await using repo = await makeRepository();
  await repo.write('work', '1');
  await expect(take(repo, 'a..b')).rejects.toMatchObject({ code: 'git_failed' });
});

test('no temporary index is left', async () => {
  await using repo = await makeRepository();
  await repo.write('work', '1');
  await take(repo);
  expect((await readdir(join(repo.root, '.git'))).filter((name) => /index.+|\.lock$/.test(name))).toEqual([]);
});

test("everything is committed to the branch with the person's email, and the checkout is clean after it", async () => {
  await using repo = await makeRepository();
  await repo.write('.gitignore', 'ignored\n');
  const head = await repo.commit('base');
  await repo.write('new file', 'x');
  await repo.write('ignored', 'x');
  await mkdir(join(repo.root, 'inner'));
  await repo.git(['init', '--quiet'], join(repo.root, 'inner'));
  await repo.write('inner/file', 'x');
  const git = new Git(repo.env);
  const spec = {
    path: repo.root,
    branch: 'main',
    message: 'task: done\n\nbody',
    author: { name: 'Gantry (p/worker/a)' },
  };

  const commit = await commitAll(git, spec);

  expect(await repo.git(['log', '-1', '--format=%H|%P|%an|%ae|%cn|%ce|%B'])).toBe(
    `${commit}|${head}|Gantry (p/worker/a)|person@example.org|Gantry (p/worker/a)|person@example.org|task: done\n\nbody`,
  );
  expect(await repo.git(['status', '--porcelain'])).toBe('');
  expect(Object.keys(await filesOf(repo, commit))).toEqual(['.gitignore', 'README.md', 'inner/file', 'new file']);
  expect(await commitAll(git, spec)).toBeNull();
});

test('without an email of the person a neutral one is used', async () => {
  await using repo = await makeRepository();
  await repo.write('work', 'x');
  await repo.git(['config', '--global', '--unset', 'user.email']);
  await commitAll(new Git(repo.env), { path: repo.root, branch: 'main', message: 'm', author: { name: 'A' } });
  expect(await repo.git(['log', '-1', '--format=%ae'])).toBe('gantry@localhost');
});

test('a checkout that has left its branch is not committed', async () => {
  await using repo = await makeRepository();
  await repo.git(['checkout', '--quiet', '-b', 'other']);
  await repo.write('work', 'x');
  const spec = { path: repo.root, branch: 'main', message: 'm', author: { name: 'A' } };
  await expect(commitAll(new Git(repo.env), spec)).rejects.toMatchObject({ details: { cause: 'branch_left' } });
});
