import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { PLAIN, parseStatuses } from './changes.ts';
import type { Git } from './git.ts';
import { needCommit } from './refs.ts';

type Change = { readonly path: string; readonly status: 'added' | 'modified' | 'deleted' | 'renamed' };

/**
 * Files that differ between a commit and another one, or a checkout as it is now (`to` null): untracked files are added
 * ones, ignored files are left out. Nothing is written, and the content of untracked files is not read.
 */
export async function changedSince(
  git: Git,
  directory: string,
  from: string,
  to: string | null,
): Promise<readonly Change[]> {
  const commits = [
    await needCommit(git, directory, from),
    ...(to === null ? [] : [await needCommit(git, directory, to)]),
  ];
  const changed = parseStatuses(
    await git.readList(directory, ['diff', '-z', '--name-status', ...PLAIN, ...commits, '--']),
  );
  if (to !== null) return changed;
  const untracked = await git.readList(directory, ['ls-files', '-z', '--others', '--exclude-standard']);
  const known = new Set(changed.map(({ path }) => path));
  // What the agent added without a commit is in both lists.
  const added = untracked.filter((path) => !known.has(path)).map((path) => ({ path, status: 'added' as const }));
  return [...changed, ...added].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * The difference as a patch, with untracked files that are text; beyond `maxBytes` its middle is cut out. An untracked file that
 * is larger than that is named as git names a binary one, and not read.
 */
export async function diffSince(
  git: Git,
  directory: string,
  from: string,
  to: string | null,
  { maxBytes, without }: { readonly maxBytes: number; readonly without: readonly string[] },
): Promise<{ readonly text: string; readonly isTruncated: boolean }> {
  const commits = [
    await needCommit(git, directory, from),
    ...(to === null ? [] : [await needCommit(git, directory, to)]),
  ];
  const places = ['.', ...without.map((glob) => `:(exclude,icase,glob)${glob}`)];
  const patch = await git.run(directory, ['diff', '--no-color', ...PLAIN, ...commits, '--', ...places], {
    maxOutputBytes: maxBytes,
  });
  let text = patch.stdout;
  let isTruncated = patch.isTruncated;
  if (to !== null) return { text, isTruncated };
  const untracked = await git.readList(directory, [
    ...['ls-files', '-z', '--others', '--exclude-standard', '--'],
    ...places,
  ]);
  for (const path of untracked) {
    if (isTruncated || text.length >= maxBytes) return { text, isTruncated: true };
    const args = ['diff', '--no-color', '--no-index', ...PLAIN, '--', '/dev/null', path];
    // A repository of its own inside of this one is listed as a directory.
    if (path.endsWith('/')) continue;
    // It may have gone in this moment: then git says so.
    const seen = await lstat(join(directory, path)).catch(() => null);
    if (seen !== null && seen.size > maxBytes) {
      text += `diff --git a/${path} b/${path}\nnew file mode 100644\nBinary files /dev/null and b/${path} differ\n`;
      continue;
    }
    const one = await git.run(directory, args, {
      accepts: [0, 1],
      maxOutputBytes: Math.max(1, maxBytes - text.length),
    });
    text += one.stdout;
    isTruncated = one.isTruncated;
  }
  return { text, isTruncated };
}

/** Bytes of every file of a commit. */
export async function sizesAt(git: Git, directory: string, commit: string): Promise<ReadonlyMap<string, number>> {
  const lines = await git.readList(directory, [
    'ls-tree',
    '-r',
    '-z',
    '--long',
    await needCommit(git, directory, commit),
  ]);
  return new Map(
    lines.map((line) => {
      const [facts = '', path = ''] = line.split('\t');
      return [path, Number(facts.trim().split(/ +/)[3])];
    }),
  );
}

/** A regular file of a commit: its size, and its bytes unless they are more than `maxBytes`. Null if there is none. */
export async function fileAt(
  git: Git,
  directory: string,
  commit: string,
  path: string,
  maxBytes: number,
): Promise<{ readonly isRegular: boolean; readonly size: number; readonly bytes: Buffer | null } | null> {
  const tree = await needCommit(git, directory, commit);
  const [entry] = await git.readList(directory, ['ls-tree', '-z', '--long', '--full-tree', tree, '--', path]);
  if (entry === undefined) return null;
  const [mode = '', , object = '', words = ''] = (entry.split('\t')[0] ?? '').split(/ +/);
  const isRegular = mode.startsWith('100');
  const size = Number(words);
  if (!isRegular || size > maxBytes) return { isRegular, size, bytes: null };
  // The bound is shared by the beginning and the end of an output.
  const options = { encoding: 'latin1', maxOutputBytes: 2 * size + 2 } as const;
  const { stdout } = await git.run(directory, ['cat-file', 'blob', object], options);
  return { isRegular, size, bytes: Buffer.from(stdout, 'latin1') };
}
