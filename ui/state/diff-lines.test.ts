import { expect, test } from 'vitest';
import { readDiff } from './diff-lines.ts';

test('a diff of git is read by file, without its headers', () => {
  const diff = [
    'diff --git a/a.txt b/a.txt',
    'new file mode 100644',
    'index 0000000..1',
    '--- /dev/null',
    '+++ b/a.txt',
    '@@ -0,0 +1,2 @@',
    '+one',
    '+++ two',
    'diff --git a/dir/b.txt b/dir/b.txt',
    '@@ -1,2 +1 @@',
    ' kept',
    '-gone',
    '',
  ].join('\n');
  const files = readDiff(diff);
  expect(files.map(({ path, additions, deletions }) => [path, additions, deletions])).toEqual([
    ['a.txt', 2, 0],
    ['dir/b.txt', 0, 1],
  ]);
  expect(files[0]?.lines.map(({ kind }) => kind)).toEqual(['place', 'added', 'added']);
  expect(files[1]?.lines.map(({ kind }) => kind)).toEqual(['place', 'same', 'removed']);
});

test('a diff without a git header has the name of its new file', () => {
  expect(readDiff('--- a/x.ts\n+++ b/x.ts\n@@ -1 +1 @@\n-a\n+b\n')[0]).toMatchObject({
    path: 'x.ts',
    additions: 1,
    deletions: 1,
  });
});

test('an empty diff has no file', () => {
  expect(readDiff('')).toEqual([expect.objectContaining({ path: '', additions: 0, deletions: 0 })]);
});
