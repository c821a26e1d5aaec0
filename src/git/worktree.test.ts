import { access, mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeRepository, type TestRepository } from '../../test/support/repository.ts';
import { runCommand } from '../process/run.ts';
import { withCheckout } from './checkout.ts';
import { Git } from './git.ts';
import { commitAll, snapshot } from './snapshot.ts';
import { addWorktree, removeWorktree, restoreWorktree } from './worktree.ts';

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Everything that a failed step must leave as it was. */
const traces = async (repo: TestRepository): Promise<unknown> => ({
  worktrees: await repo.git(['worktree', 'list', '--porcelain']),
  refs: await repo.git(['for-each-ref']),
  status: await repo.git(['status', '--porcelain']),
});

async function withWorktree(): Promise<TestRepository & { readonly path: string; readonly gantry: Git }> {
  const repo = await makeRepository();
  const gantry = new Git(repo.env);
  const path = repo.beside('tree');
  await addWorktree(gantry, { repoRoot: repo.root, path, branch: 'gantry/a', base: 'main' });
  return { ...repo, path, gantry };
}

test('a worktree is made on a new branch at the base, though the main checkout is dirty', async () => {
  await using repo = await makeRepository();
  const first = await repo.git(['rev-parse', 'HEAD']);
  await repo.commit('second');
  await repo.write('README.md', 'dirty\n');
  await repo.git(['config', 'push.autoSetupRemote', 'true']);
  const path = repo.beside('a tree');
  const spec = { repoRoot: repo.root, path, branch: 'gantry/a', base: first };
  expect(await addWorktree(new Git(repo.env), spec)).toBe(first);
  expect(await repo.git(['rev-parse', 'HEAD', '--symbolic-full-name', 'HEAD'], path)).toBe(
    `${first}\nrefs/heads/gantry/a`,
  );
  expect(await readFile(join(path, 'README.md'), 'utf8')).toBe('A project.\n');
  expect(await repo.git(['status', '--porcelain'])).toBe(' M README.md');
});

test('many at once are all made', async () => {
  await using repo = await makeRepository();
  const git = new Git(repo.env);
  const names = Array.from({ length: 6 }, (_, i) => `tree-${i}`);
  await Promise.all(
    names.map((name) =>
      addWorktree(git, { repoRoot: repo.root, path: repo.beside(name), branch: `gantry/${name}`, base: 'main' }),
    ),
  );
  expect((await repo.git(['worktree', 'list'])).split('\n').length).toBe(7);
});

test('a refused worktree names the cause and leaves nothing', async () => {
  await using repo = await makeRepository();
  await repo.git(['branch', 'taken']);
  await mkdir(repo.beside('occupied'));
  await repo.write('file', '', repo.beside('occupied'));
  await repo.git(['worktree', 'add', '--quiet', '--detach', repo.beside('vanished')]);
  await rm(repo.beside('vanished'), { recursive: true });
  const before = await traces(repo);
  const refusals = [
    [{ path: 'occupied' }, 'path_taken', 'occupied'],
    [{ path: 'vanished' }, 'path_taken', 'vanished'],
    [{ branch: 'taken' }, 'branch_exists', '"taken"'],
    [{ branch: 'not a name' }, 'branch_invalid', '"not a name"'],
    [{ base: 'no-such-base' }, 'base_missing', '"no-such-base"'],
    [{ path: 'occupied/file/below' }, 'refused', 'occupied/file/below'],
  ] as const;
  for (const [change, cause, words] of refusals) {
    const spec = { path: 'tree', branch: 'gantry/a', base: 'main', ...change };
    const adding = addWorktree(new Git(repo.env), { ...spec, repoRoot: repo.root, path: repo.beside(spec.path) });
    await expect(adding, words).rejects.toMatchObject({
      code: 'git_failed',
      details: { cause },
      message: expect.stringContaining(words),
    });
    expect(await traces(repo)).toEqual(before);
    expect(await isThere(repo.beside('tree'))).toBe(false);
  }
  expect(await isThere(join(repo.beside('occupied'), 'file'))).toBe(true);
});

test('a checkout that was asked for through a link is gone after its use, and can be made again', async () => {
  await using repo = await makeRepository();
  await mkdir(repo.beside('real'));
  await symlink(repo.beside('real'), repo.beside('link'));
  const gantry = new Git(repo.env);
  const spec = { repoRoot: repo.root, path: join(repo.beside('link'), 'gate'), commit: 'main' };
  const before = await traces(repo);
  for (const round of [1, 2]) expect(await withCheckout(gantry, spec, async () => round)).toBe(round);
  expect(await traces(repo)).toEqual(before);
});

test('a checkout that fails in the middle leaves neither files nor branch', async () => {
  await using repo = await makeRepository();
  await repo.write('.gitattributes', '*.big filter=broken\n');
  await repo.write('a.txt', 'x');
  await repo.write('z.big', 'x');
  await repo.commit('big');
  await repo.git(['config', 'filter.broken.smudge', 'false']);
  await repo.git(['config', 'filter.broken.clean', 'cat']);
  await repo.git(['config', 'filter.broken.required', 'true']);
  const before = await traces(repo);
  const spec = { repoRoot: repo.root, path: repo.beside('tree'), branch: 'gantry/a', base: 'main' };
  await expect(addWorktree(new Git(repo.env), spec)).rejects.toMatchObject({ code: 'git_failed' });
  expect(await traces(repo)).toEqual(before);
  expect(await isThere(repo.beside('tree'))).toBe(false);
});

test('a checkout that is dirty from the start is refused', async () => {
  await using repo = await makeRepository();
  await repo.write('crlf.txt', 'one\r\ntwo\r\n');
  await repo.commit('with line ends as they are');
  await repo.write('.gitattributes', '*.txt text\n');
  await repo.git(['add', '.gitattributes']);
  await repo.git(['commit', '--quiet', '--message', 'attributes without renormalising']);
  const spec = { repoRoot: repo.root, path: repo.beside('tree'), branch: 'gantry/a', base: 'main' };
  await expect(addWorktree(new Git(repo.env), spec)).rejects.toMatchObject({
    details: { cause: 'not_clean' },
    message: expect.stringContaining('crlf.txt'),
  });
  expect(await isThere(repo.beside('tree'))).toBe(false);
});

test('a clean worktree is removed without a snapshot; its branch and commits stay', async () => {
  await using repo = await withWorktree();
  await repo.write('work', 'x', repo.path);
  const commit = await repo.commit('work', repo.path);
  const spec = { repoRoot: repo.root, path: repo.path, snapshotName: 'a' };
  expect(await removeWorktree(repo.gantry, spec)).toEqual({ snapshot: null });
  expect(await isThere(repo.path)).toBe(false);
  expect(await repo.git(['rev-parse', 'gantry/a'])).toBe(commit);
  expect(await repo.git(['for-each-ref', 'refs/gantry'])).toBe('');
});

test('what is not committed is saved before the removal', async () => {
  await using repo = await withWorktree();
  await repo.write('README.md', 'changed\n', repo.path);
  await repo.write('untracked', 'x', repo.path);
  const spec = { repoRoot: repo.root, path: repo.path, snapshotName: 'attempt/1' };
  const { snapshot } = await removeWorktree(repo.gantry, spec);
  expect(await isThere(repo.path)).toBe(false);
  expect(await repo.git(['rev-parse', 'refs/gantry/snapshots/attempt/1'])).toBe(snapshot);
  expect(await repo.git(['show', `${snapshot}:README.md`])).toBe('changed');
  expect(await repo.git(['show', `${snapshot}:untracked`])).toBe('x');
});

test('commits on a detached HEAD are kept', async () => {
  await using repo = await withWorktree();
  await repo.git(['checkout', '--quiet', '--detach'], repo.path);
  const first = await repo.commit('only here', repo.path);
  const spec = { repoRoot: repo.root, path: repo.path, snapshotName: 'a' };
  expect(await removeWorktree(repo.gantry, spec)).toEqual({ snapshot: first });
  expect(await repo.git(['rev-parse', 'refs/gantry/snapshots/a'])).toBe(first);

  await repo.git(['worktree', 'add', '--quiet', '--detach', repo.path, 'main']);
  const second = await repo.commit('only here too', repo.path);
  await removeWorktree(repo.gantry, spec);
  await repo.git(['merge-base', '--is-ancestor', first, 'refs/gantry/snapshots/a']);
  await repo.git(['merge-base', '--is-ancestor', second, 'refs/gantry/snapshots/a']);
});

test('if the snapshot cannot be taken, the worktree stays', async () => {
  await using repo = await withWorktree();
  await repo.write('work', 'x', repo.path);
  const removing = removeWorktree(repo.gantry, { repoRoot: repo.root, path: repo.path, snapshotName: 'a..b' });
  await expect(removing).rejects.toMatchObject({ code: 'git_failed' });
  expect(await readFile(join(repo.path, 'work'), 'utf8')).toBe('x');
});

test('work in a submodule keeps the worktree', async () => {
  await using inner = await makeRepository();
  await using repo = await withWorktree();
  const add = ['-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', inner.root, 'sub'];
  await repo.git(add, repo.path);
  await repo.commit('submodule', repo.path);
  await repo.write('sub/README.md', 'changed\n', repo.path);
  const removing = removeWorktree(repo.gantry, { repoRoot: repo.root, path: repo.path, snapshotName: 'a' });
  await expect(removing).rejects.toMatchObject({
    details: { cause: 'submodule_changed' },
    message: expect.stringContaining('sub'),
  });
  expect(await isThere(repo.path)).toBe(true);
  await repo.git(['checkout', '--quiet', '.'], join(repo.path, 'sub'));
  await removeWorktree(repo.gantry, { repoRoot: repo.root, path: repo.path, snapshotName: 'a' });
  expect(await isThere(repo.path)).toBe(false);
});

test('a worktree that an agent has made into another repository, or part of one, stays', async () => {
  await using repo = await withWorktree();
  const spec = { repoRoot: repo.root, path: repo.path, snapshotName: 'a' };
  await repo.write('work', 'x', repo.path);
  await rm(join(repo.path, '.git'));
  await repo.git(['init', '--quiet'], repo.beside(''));
  await repo.commit('the surrounding one', repo.beside(''));
  await expect(removeWorktree(repo.gantry, spec)).rejects.toMatchObject({ details: { cause: 'not_a_worktree' } });
  await expect(snapshot(repo.gantry, { path: repo.path, name: 'a', message: 'm' })).rejects.toMatchObject({
    details: { cause: 'not_a_worktree' },
  });
  await repo.git(['init', '--quiet'], repo.path);
  await repo.commit('its own', repo.path);
  await expect(removeWorktree(repo.gantry, spec)).rejects.toMatchObject({ details: { cause: 'not_a_worktree' } });
  expect(await readFile(join(repo.path, 'work'), 'utf8')).toBe('x');
});

test('what is no linked worktree of this repository is never removed', async () => {
  await using repo = await withWorktree();
  await using other = await withWorktree();
  await mkdir(repo.beside('plain'));
  for (const path of [repo.root, repo.beside('plain'), other.path, join(repo.path, '..')]) {
    const removing = removeWorktree(repo.gantry, { repoRoot: repo.root, path, snapshotName: 'a' });
    await expect(removing, path).rejects.toMatchObject({ details: { cause: 'not_a_worktree' } });
    expect(await isThere(path)).toBe(true);
  }
});

test('a worktree that is gone, or locked, or known by a linked path, is removed; a second removal is no failure', async () => {
  await using repo = await withWorktree();
  const spec = { repoRoot: repo.root, path: repo.path, snapshotName: 'a' };
  await rm(repo.path, { recursive: true });
  expect(await removeWorktree(repo.gantry, spec)).toEqual({ snapshot: null });
  expect((await repo.git(['worktree', 'list'])).split('\n').length).toBe(1);
  expect(await removeWorktree(repo.gantry, spec)).toEqual({ snapshot: null });

  await repo.git(['worktree', 'add', '--quiet', '--lock', '--detach', repo.path]);
  await symlink(repo.beside(''), repo.beside('link'));
  await removeWorktree(repo.gantry, { ...spec, path: join(repo.beside('link'), 'tree') });
  expect(await isThere(repo.path)).toBe(false);
});

const restore = (repo: TestRepository & { readonly path: string; readonly gantry: Git }): Promise<void> =>
  restoreWorktree(repo.gantry, { repoRoot: repo.root, path: repo.path, branch: 'gantry/a' });

test('a complete worktree keeps every file when it is restored, and stale locks of a killed git go', async () => {
  await using repo = await withWorktree();
  await repo.write('work', 'x', repo.path);
  await repo.git(['add', 'work'], repo.path);
  const gitDir = await repo.git(['rev-parse', '--absolute-git-dir'], repo.path);
  await repo.write('index.lock', '', gitDir);
  await repo.write('HEAD.lock', '', gitDir);
  await repo.write('.git/refs/heads/gantry/a.lock', '');
  await restore(repo);
  expect(await readFile(join(repo.path, 'work'), 'utf8')).toBe('x');
  const spec = { path: repo.path, branch: 'gantry/a', message: 'm', author: { name: 'A' } };
  expect(await commitAll(repo.gantry, spec)).toBe(await repo.git(['rev-parse', 'gantry/a']));
});

test('a worktree that a killed git left unfinished is made anew', async () => {
  await using repo = await withWorktree();
  const gitDir = await repo.git(['rev-parse', '--absolute-git-dir'], repo.path);
  await repo.write('locked', 'initializing', gitDir);
  await rm(join(repo.path, 'README.md'));
  await rm(join(gitDir, 'index'));
  await restore(repo);
  expect(await repo.git(['status', '--porcelain'], repo.path)).toBe('');
  expect(await readFile(join(repo.path, 'README.md'), 'utf8')).toBe('A project.\n');
});

test.runIf(process.platform === 'linux')(
  'a git killed at any moment of making a worktree is recovered from',
  async () => {
    await using repo = await makeRepository();
    for (let i = 0; i < 12; i += 1) await repo.write(`file-${i}`, 'x');
    await repo.commit('files');
    const path = repo.beside('tree');
    // A git that kills the whole group of the real one at its n-th call of the checkout filter.
    await repo.write('.gitattributes', 'file-* filter=deadly\n');
    await repo.commit('attributes');
    await repo.git(['config', 'filter.deadly.clean', 'cat']);
    for (const last of [1, 6, 12]) {
      const count = repo.beside('count');
      const kill = `n=$(cat ${count}); echo $((n + 1)) > ${count}; test $n -ge ${last} && kill -KILL 0; cat`;
      await repo.write('count', '1', repo.beside(''));
      await repo.git(['config', 'filter.deadly.smudge', kill]);
      const spec = ['worktree', 'add', '-b', `gantry/${last}`, path];
      await expect(
        runCommand({ command: ['git', ...spec], cwd: repo.root, env: repo.env, marker: null, limitMs: 60_000 }),
      ).resolves.toMatchObject({ signal: 'SIGKILL' });
      await repo.git(['config', 'filter.deadly.smudge', 'cat']);
      const gantry = new Git(repo.env);
      await restoreWorktree(gantry, { repoRoot: repo.root, path, branch: `gantry/${last}` });
      expect(await repo.git(['status', '--porcelain'], path)).toBe('');
      await removeWorktree(gantry, { repoRoot: repo.root, path, snapshotName: 'a' });
    }
  },
);

test('a worktree that is gone, or of which there is only an empty directory, is made anew', async () => {
  await using repo = await withWorktree();
  await repo.write('work', 'x', repo.path);
  await repo.commit('work', repo.path);
  await rm(repo.path, { recursive: true });
  await restore(repo);
  expect(await readFile(join(repo.path, 'work'), 'utf8')).toBe('x');
  await removeWorktree(repo.gantry, { repoRoot: repo.root, path: repo.path, snapshotName: 'a' });
  await mkdir(repo.path);
  await restore(repo);
  expect(await readFile(join(repo.path, 'work'), 'utf8')).toBe('x');
});

test('what is not that worktree is never restored over', async () => {
  await using repo = await withWorktree();
  const spec = { repoRoot: repo.root, path: repo.path, branch: 'gantry/a' };
  await mkdir(repo.beside('occupied'));
  await repo.write('file', 'x', repo.beside('occupied'));
  await repo.git(['branch', 'gantry/b']);
  const refusals = [
    [{ path: repo.beside('occupied'), branch: 'gantry/b' }, 'path_taken'],
    [{ path: join(repo.beside('occupied'), 'file'), branch: 'gantry/b' }, 'path_taken'],
    [{ path: repo.beside('elsewhere') }, 'branch_checked_out'],
    [{ branch: 'gantry/b' }, 'path_taken'],
    [{ path: repo.root, branch: 'main' }, 'path_taken'],
    [{ branch: 'gantry/gone' }, 'base_missing'],
  ] as const;
  for (const [change, cause] of refusals) {
    await expect(restoreWorktree(repo.gantry, { ...spec, ...change })).rejects.toMatchObject({ details: { cause } });
  }
  expect(await readFile(join(repo.beside('occupied'), 'file'), 'utf8')).toBe('x');
});
