import { constants, type Stats } from 'node:fs';
import { copyFile, lstat, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../contract/errors.ts';
import type { Git } from './git.ts';

export type IncludedFiles = {
  readonly copied: readonly string[];
  readonly skipped: readonly { readonly path: string; readonly reason: 'link' | 'not_a_file' | 'exists' }[];
};

const LIST = '.worktreeinclude';
const MAX_FILES = 10_000;
const MAX_BYTES = 1024 ** 3;

/**
 * Copies the ignored files that `.worktreeinclude` at the repository's root names (patterns as in .gitignore), such as
 * `.env.local`, into a worktree. Links are neither followed nor copied, on neither side, and nothing is overwritten.
 * @throws AppError `too_large` for more than 10,000 files or 1 GiB, before anything is copied
 */
export async function copyIncluded(git: Git, repoRoot: string, worktree: string): Promise<IncludedFiles> {
  const list = await look(join(repoRoot, LIST));
  if (!list?.isFile()) return { copied: [], skipped: [] };
  const paths = await includedPaths(git, repoRoot);
  const sources = await Promise.all(paths.map(async (path) => ({ path, found: await look(join(repoRoot, path)) })));
  const bytes = sources.reduce((sum, { found }) => sum + (found?.isFile() ? found.size : 0), 0);
  if (paths.length > MAX_FILES || bytes > MAX_BYTES) {
    throw new AppError(
      'too_large',
      `${LIST} names ${paths.length} files of ${bytes} bytes; ${MAX_FILES} files and ${MAX_BYTES} bytes are allowed`,
    );
  }
  const copied: string[] = [];
  const skipped: IncludedFiles['skipped'][number][] = [];
  for (const { path, found } of sources) {
    const reason = found?.isFile()
      ? await copy(repoRoot, worktree, path)
      : found?.isSymbolicLink()
        ? 'link'
        : 'not_a_file';
    if (reason === null) copied.push(path);
    else skipped.push({ path, reason });
  }
  return { copied, skipped };
}

/** Named by the list, not tracked, and ignored by git: what is not ignored would end in the agent's commit. */
async function includedPaths(git: Git, repoRoot: string): Promise<readonly string[]> {
  const named = await git.readList(repoRoot, ['ls-files', '-z', '--others', '--ignored', `--exclude-from=${LIST}`]);
  if (named.length === 0) return [];
  return await git.readList(repoRoot, ['check-ignore', '-z', '--stdin'], { stdin: named.join('\0'), accepts: [0, 1] });
}

/** Null: done. */
async function copy(
  repoRoot: string,
  worktree: string,
  path: string,
): Promise<IncludedFiles['skipped'][number]['reason'] | null> {
  if (!(await makeDirectories(worktree, dirname(path)))) return 'link';
  try {
    await copyFile(join(repoRoot, path), join(worktree, path), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    return null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return 'exists';
    throw error;
  }
}

/** False if a part of the way is a link or a file. */
async function makeDirectories(root: string, directory: string): Promise<boolean> {
  let place = root;
  for (const name of directory === '.' ? [] : directory.split('/')) {
    place = join(place, name);
    const found = await look(place);
    if (found && !found.isDirectory()) return false;
    if (!found) await mkdir(place);
  }
  return true;
}

async function look(path: string): Promise<Stats | null> {
  try {
    return await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
