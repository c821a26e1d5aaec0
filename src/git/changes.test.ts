import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeRepository } from '../../test/support/repository.ts';
import { changedFiles, diff } from './changes.ts';
import { Git } from './git.ts';

const LONG = Array.from({ length: 30 }, (_, i) => `line ${i}\n`).join('');

test('files are told as added, modified, deleted or renamed, with their line counts, whatever their names', async () => {
  await using repo = await makeRepository();
  await repo.write('gone', 'nothing\nalike\n');
  await repo.write('old name', LONG);
  await repo.write('tab\tnew\nline', 'one\n');
  await repo.write('script', 'x\n');
  const from = await repo.commit('from');
  await rm(join(repo.root, 'gone'));
  await repo.git(['mv', 'old name', 'neuer näme']);
  await writeFile(join(repo.root, 'neuer näme'), `${LONG}more\n`);
  await repo.write('tab\tnew\nline', 'one\ntwo\n');
  await repo.write('added/file', 'a\nb\nc\n');
  await repo.write('binary', Buffer.from([0, 1, 2]));
  await repo.write(':100644 raw M', 'x\n');
  await chmod(join(repo.root, 'script'), 0o755);
  const to = await repo.commit('to');

  const files = await changedFiles(new Git(repo.env), repo.root, from, to);

  expect([...files].sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
    { path: ':100644 raw M', status: 'added', additions: 1, deletions: 0 },
    { path: 'added/file', status: 'added', additions: 3, deletions: 0 },
    { path: 'binary', status: 'added', additions: null, deletions: null },
    { path: 'gone', status: 'deleted', additions: 0, deletions: 2 },
    { path: 'neuer näme', status: 'renamed', from: 'old name', additions: 1, deletions: 0 },
    { path: 'script', status: 'modified', additions: 0, deletions: 0 },
    { path: 'tab\tnew\nline', status: 'modified', additions: 1, deletions: 0 },
  ]);
  expect(await changedFiles(new Git(repo.env), repo.root, to, to)).toEqual([]);
});

test('a diff is a plain patch, without the programs that the person has set up', async () => {
  await using repo = await makeRepository();
  await repo.git(['config', 'diff.external', 'false']);
  await repo.git(['config', 'color.ui', 'always']);
  await repo.write('README.md', 'Changed.\n');
  await repo.commit('to');
  const { text, isTruncated } = await diff(new Git(repo.env), repo.root, 'HEAD^', 'HEAD', 10_000);
  expect(text).toContain('-A project.\n+Changed.\n');
  expect(isTruncated).toBe(false);
});

test('a diff over the bound says that it is cut', async () => {
  await using repo = await makeRepository();
  await repo.write('long', LONG.repeat(100));
  await repo.commit('to');
  const { text, isTruncated } = await diff(new Git(repo.env), repo.root, 'HEAD^', 'HEAD', 1_000);
  expect(isTruncated).toBe(true);
  expect(text.length).toBeLessThan(1_100);
  expect(text).toMatch(/bytes left out/);
});

test('a commit that is missing is named', async () => {
  await using repo = await makeRepository();
  await expect(changedFiles(new Git(repo.env), repo.root, 'gone', 'HEAD')).rejects.toMatchObject({
    details: { cause: 'revision_missing' },
    message: expect.stringContaining('"gone"'),
  });
});
