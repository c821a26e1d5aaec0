import { expect, test } from 'vitest';
import { makeRepository, type TestRepository } from '../../test/support/repository.ts';
import { Git } from './git.ts';
import { mergeOnto, mergePreview } from './merge.ts';

/** `main` stays checked out; `result` and `work` start from it and get these files. */
async function diverged(
  result: Readonly<Record<string, string>>,
  work: Readonly<Record<string, string>>,
): Promise<TestRepository & { readonly gantry: Git; readonly expected: string; readonly theirs: string }> {
  const repo = await makeRepository();
  const branch = async (name: string, files: Readonly<Record<string, string>>): Promise<string> => {
    await repo.git(['checkout', '--quiet', '-b', name, 'main']);
    for (const [path, content] of Object.entries(files)) await repo.write(path, content);
    const isEmpty = Object.keys(files).length === 0;
    return isEmpty ? await repo.git(['rev-parse', 'HEAD']) : await repo.commit(name);
  };
  const expected = await branch('result', result);
  const theirs = await branch('work', work);
  await repo.git(['checkout', '--quiet', 'main']);
  return { ...repo, gantry: new Git(repo.env), expected, theirs };
}

const merge = (
  repo: TestRepository & { readonly gantry: Git; readonly expected: string; readonly theirs: string },
  change: { readonly branch?: string; readonly expected?: string; readonly theirs?: string } = {},
): ReturnType<typeof mergeOnto> =>
  mergeOnto(repo.gantry, {
    repoRoot: repo.root,
    branch: 'result',
    expected: repo.expected,
    theirs: repo.theirs,
    message: 'bring work in',
    author: { name: 'Gantry' },
    ...change,
  });

test('work beside each other is merged by a commit of both, and no checkout changes', async () => {
  await using repo = await diverged({ 'a.txt': 'a\n' }, { 'b with space.txt': 'b\n' });
  const result = await merge(repo);
  const tip = await repo.git(['rev-parse', 'result']);
  expect(result).toEqual({ kind: 'merged', commit: tip });
  expect(await repo.git(['log', '-1', '--format=%P|%an|%ae|%s', 'result'])).toBe(
    `${repo.expected} ${repo.theirs}|Gantry|person@example.org|bring work in`,
  );
  expect(await repo.git(['ls-tree', '--name-only', 'result'])).toBe('README.md\na.txt\nb with space.txt');
  expect(await repo.git(['status', '--porcelain', '--branch'])).toBe('## main');
});

test('a branch that is behind is moved forward without a commit of its own', async () => {
  await using repo = await diverged({}, { 'b.txt': 'b\n' });
  expect(await merge(repo)).toEqual({ kind: 'fast-forward', commit: repo.theirs });
  expect(await repo.git(['rev-parse', 'result'])).toBe(repo.theirs);
});

test('work that is in already changes nothing', async () => {
  await using repo = await diverged({ 'a.txt': 'a\n' }, {});
  expect(await merge(repo)).toEqual({ kind: 'unchanged', commit: repo.expected });
});

test('a conflict names its files, once each, and moves nothing', async () => {
  const names = ['README.md', 'sub/new\nline', 'ünïcode'];
  const files = (text: string): Record<string, string> => Object.fromEntries(names.map((name) => [name, text]));
  await using repo = await diverged({ ...files('ours\n'), 'a.txt': 'a' }, { ...files('theirs\n'), 'b.txt': 'b' });
  const result = await merge(repo);
  expect(result).toEqual({ kind: 'conflict', conflicts: expect.arrayContaining(names) });
  expect(result).toHaveProperty('conflicts.length', names.length);
  expect(await repo.git(['rev-parse', 'result'])).toBe(repo.expected);
});

test('a preview makes a tree and no commit', async () => {
  await using repo = await diverged({ 'a.txt': 'a\n' }, { 'b.txt': 'b\n' });
  const refs = await repo.git(['for-each-ref']);
  const preview = await mergePreview(repo.gantry, repo.root, 'result', 'work');
  if (preview.kind !== 'clean') throw new Error('not clean');
  expect(await repo.git(['ls-tree', '--name-only', preview.tree])).toBe('README.md\na.txt\nb.txt');
  expect(await repo.git(['for-each-ref'])).toBe(refs);
});

test('a branch that has moved, is gone, or is checked out somewhere is left alone', async () => {
  await using repo = await diverged({ 'a.txt': 'a\n' }, { 'b.txt': 'b\n' });
  const refusals = [
    [{ expected: repo.theirs }, 'branch_moved'],
    [{ branch: 'gone' }, 'branch_moved'],
    [{ branch: 'main', expected: await repo.git(['rev-parse', 'main']) }, 'branch_checked_out'],
    [{ theirs: 'no-such-commit' }, 'revision_missing'],
  ] as const;
  const before = await repo.git(['for-each-ref']);
  for (const [change, cause] of refusals) {
    await expect(merge(repo, change)).rejects.toMatchObject({ code: 'git_failed', details: { cause } });
  }
  await repo.git(['worktree', 'add', '--quiet', repo.beside('elsewhere'), 'result']);
  await expect(merge(repo)).rejects.toMatchObject({
    details: { cause: 'branch_checked_out' },
    message: expect.stringContaining('elsewhere'),
  });
  expect(await repo.git(['for-each-ref'])).toBe(before);
});

test('histories without a common commit are refused, not called a conflict', async () => {
  await using repo = await diverged({ 'a.txt': 'a\n' }, {});
  await repo.git(['checkout', '--quiet', '--orphan', 'unrelated']);
  const unrelated = await repo.commit('unrelated');
  await repo.git(['checkout', '--quiet', 'main']);
  await expect(merge(repo, { theirs: unrelated })).rejects.toMatchObject({ details: { cause: 'refused' } });
});
