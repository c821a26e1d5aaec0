import type { Git } from './git.ts';
import { needCommit, ofCommits } from './refs.ts';

/** One file that differs between two commits. Line counts are null for a binary file. */
export type ChangedFile = FileStatus & Lines;

type FileStatus =
  | { readonly path: string; readonly status: 'added' | 'modified' | 'deleted' }
  | { readonly path: string; readonly status: 'renamed'; readonly from: string };
type Lines = { readonly additions: number | null; readonly deletions: number | null };

/** The person's own diff programs and converters are not run. */
export const PLAIN = ['--find-renames', '--no-ext-diff', '--no-textconv'];

/** @throws AppError `git_failed` (`revision_missing`) */
export async function changedFiles(git: Git, repo: string, from: string, to: string): Promise<readonly ChangedFile[]> {
  const entries = await ofCommits(git, repo, [from, to], (commits) =>
    git.readList(repo, ['diff-tree', '-r', '-z', '--raw', '--numstat', ...PLAIN, ...commits]),
  );
  const { statuses, lines } = apart(entries);
  const linesOf = parseLines(lines);
  return parseStatuses(statuses).map((file) => ({
    ...file,
    ...(linesOf.get(file.path) ?? { additions: null, deletions: null }),
  }));
}

/** The paths that differ between two commits. */
export const changedPaths = (git: Git, repo: string, from: string, to: string): Promise<readonly string[]> =>
  git.readList(repo, ['diff-tree', '-r', '-z', '--name-only', '--no-ext-diff', '--end-of-options', from, to]);

/** The raw entries, which begin with a colon, as letters and paths; then those with the numbers of lines. */
function apart(entries: readonly string[]): {
  readonly statuses: readonly string[];
  readonly lines: readonly string[];
} {
  const statuses: string[] = [];
  let at = 0;
  while (entries[at]?.startsWith(':')) {
    const letter = entries[at]?.split(' ').at(-1) ?? '';
    const paths = entries.slice(at + 1, at + (letter.startsWith('R') ? 3 : 2));
    statuses.push(letter, ...paths);
    at += 1 + paths.length;
  }
  return { statuses, lines: entries.slice(at) };
}

/** A letter and a path; for a rename the old path and the new one. */
export function parseStatuses(entries: readonly string[]): readonly FileStatus[] {
  const files: FileStatus[] = [];
  for (let at = 0; at < entries.length; at += 2) {
    const letter = entries[at]?.charAt(0);
    const path = entries[at + 1] ?? '';
    if (letter === 'R') {
      at += 1;
      files.push({ path: entries[at + 1] ?? '', status: 'renamed', from: path });
    } else {
      files.push({ path, status: letter === 'A' ? 'added' : letter === 'D' ? 'deleted' : 'modified' });
    }
  }
  return files;
}

/** `added TAB deleted TAB path`; for a rename the path is empty and the next two entries are the old and the new one. */
function parseLines(entries: readonly string[]): ReadonlyMap<string, Lines> {
  const lines = new Map<string, Lines>();
  const count = (text: string | undefined): number | null => (text === '-' || text === undefined ? null : Number(text));
  for (let at = 0; at < entries.length; at += 1) {
    const [additions, deletions, ...rest] = (entries[at] ?? '').split('\t');
    if (rest[0] === '') at += 2;
    const path = rest[0] === '' ? (entries[at] ?? '') : rest.join('\t');
    lines.set(path, { additions: count(additions), deletions: count(deletions) });
  }
  return lines;
}

/** The difference as a patch for people: beyond `maxBytes` its middle is cut out. @throws as `changedFiles` */
export async function diff(
  git: Git,
  repo: string,
  from: string,
  to: string,
  maxBytes: number,
): Promise<{ readonly text: string; readonly isTruncated: boolean }> {
  const commits = [await needCommit(git, repo, from), await needCommit(git, repo, to)];
  const args = ['diff', '--no-color', ...PLAIN, ...commits];
  const { stdout, isTruncated } = await git.run(repo, args, { maxOutputBytes: maxBytes });
  return { text: stdout, isTruncated };
}
