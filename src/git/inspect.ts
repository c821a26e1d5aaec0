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
  const { commit: headCommit, branch, entries } = await stateOf(git, place);
  if (headCommit === null) {
    throw new AppError('project_no_commit', `${place.root} has no commit yet: make a first one, even an empty one`);
  }
  return { ...place, headCommit, branch, gitVersion, ...changes(entries) };
}

async function stateOf(git: Git, { root, isBare }: Place): Promise<CheckoutState> {
  if (isBare) return { commit: await commitOf(git, root, 'HEAD'), branch: await branchOf(git, root), entries: [] };
  try {
    return await checkoutState(git, root);
  } catch (error) {
    // Where the commit of HEAD is not there, git tells no status.
    if ((await commitOf(git, root, 'HEAD')) !== null) throw error;
    return { commit: null, branch: null, entries: [] };
  }
}

async function checkedVersion(git: Git, directory: string): Promise<string> {
  const [gitVersion = 'unknown'] = /\d+(\.\d+)+/.exec(await git.version(directory)) ?? [];
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

function changes(
  entries: readonly StatusEntry[],
): Pick<RepositoryState, 'dirtyFiles' | 'dirtyCount' | 'untrackedCount'> {
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

/** A checkout: the commit of its HEAD, null before the first one; its branch, null for a detached HEAD; what differs. */
type CheckoutState = {
  readonly commit: string | null;
  readonly branch: string | null;
  readonly entries: readonly StatusEntry[];
};

/** What `git status` says, every rename as a deletion and an addition. */
export async function checkoutState(git: Git, directory: string): Promise<CheckoutState> {
  const args = [
    'status',
    '--porcelain=v2',
    '-z',
    '--branch',
    '--no-ahead-behind',
    '--no-renames',
    '--untracked-files=normal',
    '--ignore-submodules=none',
  ];
  const lines = await git.readList(directory, args);
  const header = (name: string): string | undefined =>
    lines.find((line) => line.startsWith(`# branch.${name} `))?.slice(`# branch.${name} `.length);
  const [commit = '(initial)', branch = '(detached)'] = [header('oid'), header('head')];
  return {
    commit: commit === '(initial)' ? null : commit,
    branch: branch === '(detached)' ? null : branch,
    entries: lines.filter((line) => !line.startsWith('# ')).map(entryOf),
  };
}

export const status = async (git: Git, directory: string): Promise<readonly StatusEntry[]> =>
  (await checkoutState(git, directory)).entries;

function entryOf(entry: string): StatusEntry {
  const [kind = '', , submodule = ''] = entry.split(' ', 3);
  const fieldsBefore = { '1': 8, u: 10 }[kind] ?? 1;
  const path = entry.split(' ').slice(fieldsBefore).join(' ');
  return { path, isTracked: kind !== '?', isSubmodule: submodule.startsWith('S') && kind !== '?' };
}
