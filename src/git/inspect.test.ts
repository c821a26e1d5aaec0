import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeRepository } from '../../test/support/repository.ts';
import { Git } from './git.ts';
import { inspect, status } from './inspect.ts';

test('a repository with a commit is seen from any of its directories', async () => {
  await using repo = await makeRepository();
  await mkdir(join(repo.root, 'deep', 'er'), { recursive: true });
  const state = await inspect(new Git(repo.env), join(repo.root, 'deep', 'er'));
  expect(state).toEqual({
    root: repo.root,
    headCommit: await repo.git(['rev-parse', 'HEAD']),
    branch: 'main',
    isBare: false,
    isWorktree: false,
    dirtyFiles: [],
    dirtyCount: 0,
    untrackedCount: 0,
    gitVersion: (await repo.git(['--version'])).split(' ')[2],
  });
});

test('changes are told apart, whatever the names, and nothing is written', async () => {
  await using repo = await makeRepository();
  const names = ['plain', 'with space', 'ünïcode 漢', 'new\nline', 'tab\tquote"', '-dash', ' 2 M. N... x'];
  for (const name of names) await repo.write(name, 'one\n');
  await repo.commit('names');
  for (const name of names) await repo.write(name, 'two\n');
  await repo.git(['add', 'plain']);
  await repo.git(['mv', 'README.md', 'MOVED.md']);
  await repo.write('loose', '');
  await repo.write('directory/a', '');
  await repo.write('directory/b', '');
  const index = await readFile(join(repo.root, '.git', 'index'));

  const state = await inspect(new Git(repo.env), repo.root);

  expect([...state.dirtyFiles].sort()).toEqual([...names, 'README.md', 'MOVED.md'].sort());
  expect(state).toMatchObject({ dirtyCount: names.length + 2, untrackedCount: 2 });
  expect(await readFile(join(repo.root, '.git', 'index'))).toEqual(index);
});

test('files in a conflict are dirty', async () => {
  await using repo = await makeRepository();
  await repo.git(['checkout', '--quiet', '-b', 'side']);
  await repo.write('README.md', 'side\n');
  await repo.commit('side');
  await repo.git(['checkout', '--quiet', 'main']);
  await repo.write('README.md', 'main\n');
  await repo.commit('main');
  await expect(repo.git(['merge', '--quiet', 'side'])).rejects.toThrow();
  expect(await status(new Git(repo.env), repo.root)).toEqual([
    { path: 'README.md', isTracked: true, isSubmodule: false },
  ]);
});

test('of many dirty files the first hundred are named and all are counted', async () => {
  await using repo = await makeRepository();
  for (let i = 0; i < 120; i += 1) await repo.write(`file-${i}`, '');
  await repo.git(['add', '--all']);
  const state = await inspect(new Git(repo.env), repo.root);
  expect(state.dirtyCount).toBe(120);
  expect(state.dirtyFiles.length).toBe(100);
});

test('a detached HEAD has no branch; a linked worktree and a bare repository are told', async () => {
  await using repo = await makeRepository();
  const git = new Git(repo.env);
  await repo.git(['worktree', 'add', '--quiet', '--detach', repo.beside('linked')]);
  expect(await inspect(git, repo.beside('linked'))).toMatchObject({
    root: repo.beside('linked'),
    branch: null,
    isWorktree: true,
  });
  await repo.git(['clone', '--quiet', '--bare', repo.root, repo.beside('bare.git')]);
  expect(await inspect(git, repo.beside('bare.git'))).toMatchObject({
    root: repo.beside('bare.git'),
    branch: 'main',
    isBare: true,
    isWorktree: false,
  });
});

test('a project under a linked path has its real root', async () => {
  await using repo = await makeRepository();
  await symlink(repo.root, repo.beside('link'));
  expect((await inspect(new Git(repo.env), repo.beside('link'))).root).toBe(repo.root);
});

test('what is no project is refused with its code', async () => {
  await using repo = await makeRepository({ hasCommit: false });
  const git = new Git(repo.env);
  await writeFile(repo.beside('file'), '');
  await mkdir(repo.beside('empty'));
  await expect(inspect(git, repo.beside('file'))).rejects.toMatchObject({ code: 'project_not_directory' });
  await expect(inspect(git, repo.beside('gone'))).rejects.toMatchObject({ code: 'project_not_directory' });
  await expect(inspect(git, repo.beside('empty'))).rejects.toMatchObject({ code: 'project_not_git' });
  await expect(inspect(git, join(repo.root, '.git'))).rejects.toMatchObject({ code: 'project_not_git' });
  await expect(inspect(git, repo.root)).rejects.toMatchObject({ code: 'project_no_commit' });
});

test('a HEAD whose commit is missing is no commit', async () => {
  await using repo = await makeRepository();
  const head = await repo.git(['rev-parse', 'HEAD']);
  await rm(join(repo.root, '.git', 'objects', head.slice(0, 2), head.slice(2)));
  await expect(inspect(new Git(repo.env), repo.root)).rejects.toMatchObject({ code: 'project_no_commit' });
});

test('a git that is missing or too old is named', async () => {
  await using repo = await makeRepository();
  await mkdir(repo.beside('bin'));
  const git = new Git({ ...repo.env, PATH: repo.beside('bin') });
  await expect(inspect(git, repo.root)).rejects.toMatchObject({ code: 'git_missing' });
  await writeFile(join(repo.beside('bin'), 'git'), '#!/bin/sh\necho git version 2.30.9\n', { mode: 0o755 });
  await expect(inspect(git, repo.root)).rejects.toMatchObject({
    code: 'git_missing',
    message: expect.stringContaining('2.30.9'),
  });
});
