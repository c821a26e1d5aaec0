import { access, chmod, readFile, stat, symlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeRepository, type TestRepository } from '../../test/support/repository.ts';
import { Git } from './git.ts';
import { copyIncluded } from './included.ts';

/** Ignores `.env*`, `secrets/` and `linked`; its worktree is at `tree`. */
async function project(list: string): Promise<TestRepository & { readonly tree: string; readonly gantry: Git }> {
  const repo = await makeRepository();
  await repo.write('.gitignore', '.env*\nsecrets/\nlinked\nnode_modules/\n');
  await repo.commit('ignore');
  await repo.write('.worktreeinclude', list);
  const tree = repo.beside('tree');
  await repo.git(['worktree', 'add', '--quiet', '--detach', tree]);
  return { ...repo, tree, gantry: new Git(repo.env) };
}

test('only files that are named and ignored are copied, with their mode', async () => {
  await using repo = await project('.env.local\n**/secrets/*\n!**/secrets/skip\nREADME.md\nloose\n');
  for (const path of ['.env.local', '.env.other', 'app/.env.local', 'app/secrets/ä key', 'app/secrets/skip', 'loose']) {
    await repo.write(path, path);
  }
  await chmod(join(repo.root, '.env.local'), 0o600);
  const { copied, skipped } = await copyIncluded(repo.gantry, repo.root, repo.tree);
  expect([...copied].sort()).toEqual(['.env.local', 'app/.env.local', 'app/secrets/ä key']);
  expect(skipped).toEqual([]);
  expect(await readFile(join(repo.tree, 'app/secrets/ä key'), 'utf8')).toBe('app/secrets/ä key');
  expect((await stat(join(repo.tree, '.env.local'))).mode & 0o777).toBe(0o600);
  expect(await repo.git(['status', '--porcelain'], repo.tree)).toBe('');
});

test('without a list, or with one that is a link, nothing is copied', async () => {
  await using repo = await project('');
  await repo.write('.env', 'x');
  await repo.git(['clean', '--quiet', '--force', '.worktreeinclude']);
  expect(await copyIncluded(repo.gantry, repo.root, repo.tree)).toEqual({ copied: [], skipped: [] });
  await repo.write('list', '.env\n', repo.beside(''));
  await symlink(repo.beside('list'), join(repo.root, '.worktreeinclude'));
  expect(await copyIncluded(repo.gantry, repo.root, repo.tree)).toEqual({ copied: [], skipped: [] });
});

test('links are followed on neither side, and nothing is overwritten', async () => {
  await using repo = await project('.env*\nsecrets/\nlinked\nlinked/*\n');
  await repo.write('outside/key', 'outside', repo.beside(''));
  await symlink(repo.beside('outside'), join(repo.root, 'linked'));
  await symlink(repo.beside('outside/key'), join(repo.root, '.env.link'));
  await repo.write('.env', 'new');
  await repo.write('.env', 'older', repo.tree);
  await repo.write('secrets/key', 'secret');
  await symlink(repo.beside('outside'), join(repo.tree, 'secrets'));

  const { copied, skipped } = await copyIncluded(repo.gantry, repo.root, repo.tree);

  expect(copied).toEqual([]);
  expect([...skipped].sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
    { path: '.env', reason: 'exists' },
    { path: '.env.link', reason: 'link' },
    { path: 'linked', reason: 'link' },
    { path: 'secrets/key', reason: 'link' },
  ]);
  expect(await readFile(join(repo.tree, '.env'), 'utf8')).toBe('older');
  expect(await readFile(repo.beside('outside/key'), 'utf8')).toBe('outside');
});

test('more than the bound is refused before anything is copied', async () => {
  await using repo = await project('.env*\n');
  await repo.write('.env', 'x');
  await repo.write('.env.large', '');
  await truncate(join(repo.root, '.env.large'), 1024 ** 3);
  await expect(copyIncluded(repo.gantry, repo.root, repo.tree)).rejects.toMatchObject({ code: 'too_large' });
  await expect(access(join(repo.tree, '.env'))).rejects.toMatchObject({ code: 'ENOENT' });
});
