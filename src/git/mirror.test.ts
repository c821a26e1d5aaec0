import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeRepository } from '../../test/support/repository.ts';
import { tempDir } from '../../test/support/temp.ts';
import { Git } from './git.ts';
import {
  applyState,
  commitsOf,
  identityOf,
  isSameState,
  keepState,
  makeCheckout,
  makeObjectStore,
  markCommit,
  packState,
  pointHead,
  readState,
  takeObjects,
} from './mirror.ts';

test('a checkout has the same commits, branch and files on another machine, and what is done there comes back', async () => {
  await using repo = await makeRepository();
  await using elsewhere = await tempDir();
  const git = new Git(repo.env);
  const [store, copy] = [join(elsewhere.path, 'objects.git'), join(elsewhere.path, 'copy')];
  await writeFile(join(repo.root, 'new.txt'), 'not committed');
  await makeObjectStore(git, store);
  await makeCheckout(git, { path: copy, store, identity: await identityOf(git, repo.root) });

  const there = await packState(git, repo.root, await commitsOf(git, store));
  await takeObjects(git, store, there);
  await markCommit(git, store, 'one', there.commit);
  await pointHead(git, copy, there.state);
  await applyState(git, copy, there.state, there.commit);
  expect(await readState(git, copy)).toEqual(await readState(git, repo.root));
  expect(await readFile(join(copy, 'new.txt'), 'utf8')).toBe('not committed');
  expect(await git.read(copy, ['status', '--porcelain'])).toBe('?? new.txt');

  await rm(join(copy, 'new.txt'));
  await mkdir(join(copy, 'made'));
  await writeFile(join(copy, 'made', 'work.txt'), 'done');
  await git.run(copy, ['add', '--all']);
  await git.run(copy, ['commit', '--quiet', '-m', 'work']);
  await writeFile(join(copy, 'rest.txt'), 'open');
  const back = await packState(git, copy, [there.commit]);
  // Only what is new travels.
  expect(back.bundle.length).toBeLessThan(there.bundle.length + 500);
  expect(isSameState(back.state, there.state)).toBe(false);
  await takeObjects(git, repo.root, back);
  await applyState(git, repo.root, back.state, back.commit);
  expect(await readState(git, repo.root)).toEqual(back.state);
  expect(await git.read(repo.root, ['log', '-1', '--format=%s'])).toBe('work');
  expect(await git.read(repo.root, ['status', '--porcelain'])).toBe('?? rest.txt');
});

test('no branch but the one that was given is moved, and what cannot be taken is kept', async () => {
  await using repo = await makeRepository();
  await using elsewhere = await tempDir();
  const git = new Git(repo.env);
  const [store, copy] = [join(elsewhere.path, 'objects.git'), join(elsewhere.path, 'copy')];
  await makeObjectStore(git, store);
  await makeCheckout(git, { path: copy, store, identity: await identityOf(git, repo.root) });
  const there = await packState(git, repo.root, []);
  await takeObjects(git, store, there);
  await pointHead(git, copy, there.state);
  await applyState(git, copy, there.state, there.commit);

  await git.run(copy, ['switch', '--quiet', '-c', 'other']);
  await writeFile(join(copy, 'work.txt'), 'done');
  const before = await git.read(repo.root, ['for-each-ref', 'refs/heads']);
  const back = await packState(git, copy, [there.commit]);
  await takeObjects(git, repo.root, back);
  await expect(applyState(git, repo.root, back.state, back.commit)).rejects.toMatchObject({
    code: 'git_failed',
    details: { cause: 'branch_left' },
  });
  expect(await git.read(repo.root, ['for-each-ref', 'refs/heads'])).toBe(before);
  expect(isSameState(await readState(git, repo.root), there.state)).toBe(true);
  await keepState(git, repo.root, 'node/one', back.commit);
  expect(await git.read(repo.root, ['show', 'refs/gantry/snapshots/node/one:work.txt'])).toBe('done');
});
