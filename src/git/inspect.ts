import { stat } from 'node:fs/promises';
import { AppError } from '../contract/errors.ts';
import type { Git } from './git.ts';
import { branchOf, commitOf } from './refs.ts';

/** A repository as a project sees it. */
export type RepositoryState = {
  /** Top of the checkout, links resolved; the git directory of a bare repository. */
  readonly root: string;
  readonly headCommit: string;
  /** Null: HEAD is detached. */
  readonly branch: string | null;
  readonly isBare: boolean;
  /** A linked worktree, not the main checkout. */
  readonly isWorktree: boolean;
  /** Tracked files with changes, staged or not: the first 100 of `dirtyCount`. */
  readonly dirtyFiles: readonly string[];
  readonly dirtyCount: number;
  /** Files, and directories that hold nothing tracked, that are neither tracked nor ignored. */
  readonly untrackedCount: number;
  readonly gitVersion: string;
};

const MAX_DIRTY_FILES = 100;

/** The first with `merge-tree --write-tree`. */
const OLDEST_GIT = [2, 38] as const;

/**
 * Looks at a directory, changing nothing.
 * @throws AppError `project_not_directory`, `git_missing`, `project_not_git`, `project_no_commit`
 */
export async function inspect(git: Git, directory: string): Promise<RepositoryState> {
  const found = await stat(directory).catch(() => null);
  if (!found?.isDirectory()) throw new AppError('project_not_directory', `${directory} is not a directory`);
  const gitVersion = await checkedVersion(git, directory);
  const place = await locate(git, directory);
  const headCommit = await commitOf(git, place.root, 'HEAD');
  if (headCommit === null) {
    throw new AppError('project_no_commit', `${place.root} has no commit yet: make a first one, even an empty one`);
  }
  const branch = await branchOf(git, place.root);
  return { ...place, headCommit, branch, gitVersion, ...(await changes(git, place)) };
}

async function checkedVersion(git: Git, directory: string): Promise<string> {
  const [gitVersion = 'unknown'] = /\d+(\.\d+)+/.exec(await git.read(directory, ['--version'])) ?? [];
  const [major = 0, minor = 0] = gitVersion.split('.').map(Number);
  if (major < OLDEST_GIT[0] || (major === OLDEST_GIT[0] && minor < OLDEST_GIT[1])) {
    throw new AppError('git_missing', `git ${OLDEST_GIT.join('.')} or newer is needed; ${gitVersion} was found`);
  }
  return gitVersion;
}

type Place = Pick<RepositoryState, 'root' | 'isBare' | 'isWorktree'>;

async function locate(git: Git, directory: string): Promise<Place> {
  const places = ['--path-format=absolute', '--git-dir', '--git-common-dir'];
  const asked = ['rev-parse', '--is-bare-repository', '--is-inside-work-tree', ...places];
  const answer = await git.run(directory, asked, { accepts: [0, 128] });
  const [isBare, isInside, gitDir = '', commonDir = ''] = answer.stdout.split('\n');
  if (answer.code !== 0 || (isBare !== 'true' && isInside !== 'true')) {
    const words = answer.stderr.trim() || 'it lies inside of a .git directory';
    throw new AppError('project_not_git', `${directory} is not a git repository: ${words}`);
  }
  if (isBare === 'true') return { root: gitDir, isBare: true, isWorktree: false };
  const root = await git.read(directory, ['rev-parse', '--show-toplevel']);
  return { root, isBare: false, isWorktree: gitDir !== commonDir };
}

async function changes(
  git: Git,
  { root, isBare }: Place,
): Promise<Pick<RepositoryState, 'dirtyFiles' | 'dirtyCount' | 'untrackedCount'>> {
  const entries = isBare ? [] : await status(git, root);
  const dirty = entries.filter((entry) => entry.isTracked);
  return {
    dirtyFiles: dirty.slice(0, MAX_DIRTY_FILES).map((entry) => entry.path),
    dirtyCount: dirty.length,
    untrackedCount: entries.length - dirty.length,
  };
}

export type StatusEntry = {
  readonly path: string;
  readonly isTracked: boolean;
  /** It is a submodule with commits or files that the repository does not record. */
  readonly isSubmodule: boolean;
};

/** What `git status` says, every rename as a deletion and an addition. */
export async function status(git: Git, directory: string): Promise<readonly StatusEntry[]> {
  const args = [
    'status',
    '--porcelain=v2',
    '-z',
    '--no-renames',
    '--untracked-files=normal',
    '--ignore-submodules=none',
  ];
  const entries = await git.readList(directory, args);
  return entries.map((entry) => {
    const [kind = '', , submodule = ''] = entry.split(' ', 3);
    const fieldsBefore = { '1': 8, u: 10 }[kind] ?? 1;
    const path = entry.split(' ').slice(fieldsBefore).join(' ');
    return { path, isTracked: kind !== '?', isSubmodule: submodule.startsWith('S') && kind !== '?' };
  });
}
