import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeRepository } from '../../test/support/repository.ts';
import { Git } from './git.ts';
import { changedSince, diffSince } from './since.ts';

// To read it would take hours.
const TERABYTE = 2 ** 40;

it('names a file that is larger than the patch may be, and does not read it', async () => {
  await using repo = await makeRepository();
  const git = new Git(repo.env);
  const from = await repo.git(['rev-parse', 'HEAD']);
  for (const [name, size] of [
    ['small.txt', 3],
    ['vast', TERABYTE],
  ] as const) {
    await writeFile(join(repo.root, name), 'ab\n');
    await truncate(join(repo.root, name), size);
  }
  expect(await changedSince(git, repo.root, from, null)).toEqual([
    { path: 'small.txt', status: 'added' },
    { path: 'vast', status: 'added' },
  ]);
  const { text, isTruncated } = await diffSince(git, repo.root, from, null, { maxBytes: 100_000, without: [] });
  expect(text).toContain('+ab');
  expect(text).toContain('Binary files /dev/null and b/vast differ');
  expect(isTruncated).toBe(false);
});
