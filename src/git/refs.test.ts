import { expect, test } from 'vitest';
import { makeRepository } from '../../test/support/repository.ts';
import { Git } from './git.ts';
import { branchExists, commitOf, createBranch, deleteBranchIfMerged, isAncestor, moveRef, worktrees } from './refs.ts';

test('a branch is made at a commit, once, with a valid name', async () => {
  await using repo = await makeRepository();
  const git = new Git(repo.env);
  const head = await repo.git(['rev-parse', 'HEAD']);
  expect(await branchExists(git, repo.root, 'gantry/a')).toBe(false);
  expect(await createBranch(git, repo.root, 'gantry/a', 'main')).toBe(head);
  expect(await branchExists(git, repo.root, 'gantry/a')).toBe(true);
  expect(await repo.git(['symbolic-ref', 'HEAD'])).toBe('refs/heads/main');

  const refusals = [
    ['gantry/a', 'main', 'branch_exists'],
    ['gantry/a', 'gone', 'branch_exists'],
    ['gantry/b', 'gone', 'base_missing'],
    ['gantry/b', '--all', 'base_missing'],
    ['-b', 'main', 'branch_invalid'],
    ['a..b', 'main', 'branch_invalid'],
    ['', 'main', 'branch_invalid'],
    ['gantry/a/below', 'main', 'refused'],
  ] as const;
  // The same for the whole names of objects: one that is there, one that is not, one that is no commit.
  const tree = await repo.git(['rev-parse', 'HEAD^{tree}']);
  const named = refusals.map(([branch, base, cause]) => [branch, base === 'main' ? head : tree, cause] as const);
  const missing = ['gantry/b', '1'.repeat(40), 'base_missing'] as const;
  for (const [branch, base, cause] of [...refusals, ...named, missing]) {
    await expect(createBranch(git, repo.root, branch, base), branch).rejects.toMatchObject({ details: { cause } });
  }
  expect(await createBranch(git, repo.root, 'gantry/c', head)).toBe(head);
  expect(await repo.git(['rev-parse', 'refs/heads/gantry/c'])).toBe(head);
});

test('a ref is moved only from where it was seen', async () => {
  await using repo = await makeRepository();
  const git = new Git(repo.env);
  const first = await repo.git(['rev-parse', 'HEAD']);
  const second = await repo.commit('second');
  await repo.git(['branch', 'moving', first]);
  await moveRef(git, repo.root, 'refs/heads/moving', second, first);
  expect(await commitOf(git, repo.root, 'moving')).toBe(second);
  await expect(moveRef(git, repo.root, 'refs/heads/moving', first, first)).rejects.toMatchObject({
    details: { cause: 'branch_moved' },
  });
  expect(await commitOf(git, repo.root, 'moving')).toBe(second);
});

test('ancestry is told, and a missing commit is an error, not a no', async () => {
  await using repo = await makeRepository();
  const git = new Git(repo.env);
  const first = await repo.git(['rev-parse', 'HEAD']);
  await repo.commit('second');
  expect(await isAncestor(git, repo.root, first, 'main')).toBe(true);
  expect(await isAncestor(git, repo.root, 'main', first)).toBe(false);
  await expect(isAncestor(git, repo.root, 'gone', 'main')).rejects.toMatchObject({
    details: { cause: 'revision_missing' },
  });
});

test('a branch is deleted only if another ref keeps all of it and nobody has it checked out', async () => {
  await using repo = await makeRepository();
  const git = new Git(repo.env);
  await repo.git(['branch', 'merged']);
  await repo.git(['checkout', '--quiet', '-b', 'ahead']);
  await repo.commit('ahead');
  await repo.git(['checkout', '--quiet', 'main']);
  const main = 'refs/heads/main';
  expect(await deleteBranchIfMerged(git, repo.root, 'ahead', main)).toBe(false);
  expect(await deleteBranchIfMerged(git, repo.root, 'merged', 'refs/heads/merged')).toBe(false);
  expect(await deleteBranchIfMerged(git, repo.root, 'merged', await repo.git(['rev-parse', 'main']))).toBe(false);
  expect(await deleteBranchIfMerged(git, repo.root, 'gone', main)).toBe(false);
  expect(await deleteBranchIfMerged(git, repo.root, 'main', 'refs/heads/ahead')).toBe(false);
  expect(await deleteBranchIfMerged(git, repo.root, 'merged', main)).toBe(true);
  expect(await repo.git(['branch', '--format=%(refname:short)'])).toBe('ahead\nmain');
});

test('every checkout is listed with its branch', async () => {
  await using repo = await makeRepository();
  const head = await repo.git(['rev-parse', 'HEAD']);
  const [linked, odd] = [repo.beside('linked'), repo.beside('odd näme')];
  await repo.git(['worktree', 'add', '--quiet', '-b', 'gantry/x', linked]);
  await repo.git(['worktree', 'add', '--quiet', '--detach', odd]);
  const all = await worktrees(new Git(repo.env), repo.root);
  expect([...all].sort((a, b) => a.path.length - b.path.length)).toEqual([
    { path: linked, commit: head, branch: 'gantry/x', isMain: false, isUnfinished: false },
    { path: repo.root, commit: head, branch: 'main', isMain: true, isUnfinished: false },
    { path: odd, commit: head, branch: null, isMain: false, isUnfinished: false },
  ]);
});
