import { lstat, realpath, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Git, gitRefused } from './git.ts';
import { checkoutState, status } from './inspect.ts';
import { branchOf, branchRef, checkNewBranch, commitOf, type Worktree, worktrees } from './refs.ts';
import { keepCommit, snapshot, syncIndex } from './snapshot.ts';

export type WorktreeSpec = {
  readonly repoRoot: string;
  /** Absolute; nothing may be there yet. */
  readonly path: string;
  /** A new one. */
  readonly branch: string;
  /** Commit, branch or tag to start from. */
  readonly base: string;
};

/**
 * Makes a worktree on a new branch and checks branch, commit and cleanness; answers the commit. If it fails, nothing is left.
 * @throws AppError `git_failed`: `path_taken`, `branch_invalid`, `branch_exists`, `base_missing`, `not_clean`
 */
export function addWorktree(git: Git, spec: WorktreeSpec): Promise<string> {
  const { repoRoot, path, branch, base } = spec;
  return git.exclusive(repoRoot, async () => {
    if (await isThere(path)) throw gitRefused('path_taken', `${path} exists already`);
    if (await registered(git, repoRoot, path)) {
      throw gitRefused('path_taken', `${path} is gone, but git still has it as a worktree of ${repoRoot}`);
    }
    const commit = await checkNewBranch(git, repoRoot, branch, base);
    try {
      await git.run(repoRoot, ['worktree', 'add', '--quiet', '--no-track', '-b', branch, '--', path, commit]);
      await verifyNew(git, spec, commit);
      return commit;
    } catch (error) {
      await undoAdd(git, spec, commit);
      throw error;
    }
  });
}

async function verifyNew(git: Git, { path, branch }: Omit<WorktreeSpec, 'base'>, commit: string): Promise<void> {
  const made = await checkoutState(git, path);
  if (made.commit !== commit || made.branch !== branch) {
    throw gitRefused('refused', `git made ${path} at ${made.commit} instead of "${branch}" at ${commit}`);
  }
  const changed = made.entries.map((entry) => entry.path);
  if (changed.length > 0) {
    const names = changed.slice(0, 5).join(', ');
    throw gitRefused(
      'not_clean',
      `a fresh checkout of ${commit} has changes at once (${names}): its line ends or filters do not agree with its attributes`,
    );
  }
}

async function undoAdd(git: Git, spec: WorktreeSpec, commit: string): Promise<void> {
  await undoCheckout(git, spec);
  const ref = branchRef(spec.branch);
  if ((await commitOf(git, spec.repoRoot, ref)) === commit)
    await git.run(spec.repoRoot, ['update-ref', '-d', ref, commit]);
}

async function undoCheckout(git: Git, { repoRoot, path }: Pick<WorktreeSpec, 'repoRoot' | 'path'>): Promise<void> {
  if (await registered(git, repoRoot, path)) await git.run(repoRoot, removal(path));
  if (await isThere(path)) await rm(path, { recursive: true });
}

/**
 * Makes sure that `path` is a worktree with this existing branch: as after a kill in the middle of `addWorktree`, or for one
 * that is gone. One that is complete keeps its files; one that git had not finished is made anew.
 * @throws AppError `git_failed`: `path_taken`, `branch_checked_out`, `base_missing` for a branch that is not there, `not_clean`
 */
export function restoreWorktree(git: Git, spec: Omit<WorktreeSpec, 'base'>): Promise<void> {
  const { repoRoot, path, branch } = spec;
  return git.exclusive(repoRoot, async () => {
    const commit = await commitOf(git, repoRoot, branchRef(branch));
    if (commit === null) throw gitRefused('base_missing', `there is no branch "${branch}" in ${repoRoot}`);
    const known = await registered(git, repoRoot, path);
    await checkFree(git, spec, known);
    const exists = await isThere(path);
    if (known && exists && !known.isUnfinished) return await syncIndex(git, path);
    // What lies in an unfinished worktree came from git: nobody was given it to work in.
    if (known) await git.run(repoRoot, removal(path));
    else if (exists && !(await removeIfEmpty(path))) throw gitRefused('path_taken', `${path} exists already`);
    try {
      await git.run(repoRoot, ['worktree', 'add', '--quiet', '--', path, branch]);
      await verifyNew(git, spec, commit);
    } catch (error) {
      await undoCheckout(git, spec);
      throw error;
    }
  });
}

/**
 * Puts a worktree that nobody has worked in on a new branch at `base`; safe to repeat after a kill at any moment. Its files
 * that git does not track stay.
 * @throws AppError `git_failed`: `not_a_worktree`, `not_clean` for tracked files with changes; as `addWorktree`
 */
export function moveWorktree(git: Git, spec: WorktreeSpec): Promise<void> {
  const { repoRoot, path, branch, base } = spec;
  return git.exclusive(repoRoot, async () => {
    if (!(await isThere(path))) throw gitRefused('not_a_worktree', `${path} is gone`);
    const [known, entries] = await Promise.all([registered(git, repoRoot, path), status(git, path)]);
    if (!known || known.isMain || known.isUnfinished)
      throw gitRefused('not_a_worktree', `${path} is not a finished worktree of ${repoRoot}`);
    const isMoved = known.branch === branch;
    const commit = isMoved ? base : await checkNewBranch(git, repoRoot, branch, base);
    if (!isMoved) {
      const changed = entries.find(({ isTracked }) => isTracked);
      if (changed) throw gitRefused('not_clean', `${path} has changes that nobody made: ${changed.path}`);
      await git.run(path, ['switch', '--quiet', '--no-track', '-c', branch, commit]);
    }
    const [head, now] = await Promise.all([commitOf(git, path, 'HEAD'), branchOf(git, path)]);
    if (head !== commit || now !== branch)
      throw gitRefused('refused', `git left ${path} at ${head} instead of "${branch}" at ${commit}`);
  });
}

async function checkFree(git: Git, spec: Omit<WorktreeSpec, 'base'>, known: Worktree | null): Promise<void> {
  const { repoRoot, path, branch } = spec;
  const holder = (await worktrees(git, repoRoot)).find((worktree) => worktree.branch === branch);
  if (holder && holder.path !== known?.path) {
    throw gitRefused('branch_checked_out', `"${branch}" is checked out in ${holder.path}`);
  }
  if (known && known.branch !== branch) {
    throw gitRefused('path_taken', `${path} has ${known.branch ?? 'no branch'} checked out, not "${branch}"`);
  }
  if (known?.isMain) throw gitRefused('path_taken', `${path} is the main checkout of ${repoRoot}`);
}

type RemovalSpec = { readonly repoRoot: string; readonly path: string; readonly snapshotName: string };

/**
 * Removes a worktree; its branch stays. What neither a branch nor git's ignore rules cover is saved first, at
 * `refs/gantry/snapshots/<snapshotName>`: answers that commit, or null if all was committed. A worktree that is gone
 * already is only forgotten. Programs that write there must have ended.
 * @throws AppError `git_failed`: `not_a_worktree`; `submodule_changed` for what a snapshot cannot hold. Then all is as before.
 */
export function removeWorktree(git: Git, spec: RemovalSpec): Promise<{ readonly snapshot: string | null }> {
  const { repoRoot, path } = spec;
  return git.exclusive(repoRoot, async () => {
    const worktree = await registered(git, repoRoot, path);
    const exists = await isThere(path);
    if (worktree?.isMain) throw gitRefused('not_a_worktree', `${path} is the main checkout of ${repoRoot}`);
    if (exists && !worktree) throw gitRefused('not_a_worktree', `${path} is not a worktree of ${repoRoot}`);
    const saved = exists ? await saveAll(git, spec) : null;
    if (worktree) await git.run(repoRoot, removal(path));
    if (await isThere(path)) throw gitRefused('refused', `${path} is still there after git removed it`);
    return { snapshot: saved };
  });
}

async function saveAll(git: Git, { repoRoot, path, snapshotName: name }: RemovalSpec): Promise<string | null> {
  const [store, own] = await Promise.all([repoRoot, path].map((place) => git.read(place, OBJECT_STORE)));
  if (store !== own) throw gitRefused('not_a_worktree', `${path} has become a checkout of ${own} instead of ${store}`);
  const submodules = (await status(git, path)).filter((entry) => entry.isSubmodule).map((entry) => entry.path);
  if (submodules.length > 0) {
    throw gitRefused('submodule_changed', `${path} has unsaved work in submodules: ${submodules.join(', ')}`);
  }
  const spec = { path, name, message: `Snapshot of ${basename(path)} before its removal\n` };
  const saved = await snapshot(git, spec);
  const head = await commitOf(git, path, 'HEAD');
  if (saved !== null || head === null || (await branchOf(git, path)) !== null) return saved;
  await keepCommit(git, spec, head);
  return head;
}

const OBJECT_STORE = ['rev-parse', '--path-format=absolute', '--git-common-dir'];

/** Twice --force: also one that is locked, as after a kill in the middle of its making. */
export const removal = (path: string): string[] => ['worktree', 'remove', '--force', '--force', '--', path];

/** The worktree at a path, whichever way the path leads there. */
export async function registered(git: Git, repoRoot: string, path: string): Promise<Worktree | null> {
  const places = [path, await resolved(path)];
  return (await worktrees(git, repoRoot)).find((worktree) => places.includes(worktree.path)) ?? null;
}

/** Also of a path that does not exist, as far as its directory does. */
async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
    return path === dirname(path) ? path : join(await resolved(dirname(path)), basename(path));
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Git makes the directory just before it registers it. */
async function removeIfEmpty(path: string): Promise<boolean> {
  try {
    await rmdir(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOTDIR') return false;
    throw error;
  }
}

/** Nothing is there, or a file is where a directory should be. */
function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
