import { type Git, gitRefused } from './git.ts';

/** The "old value" of a ref that must not exist yet. */
export const ABSENT = '';

/** The whole name of an object: what it names cannot change. */
export const isObjectId = (revision: string): boolean => /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(revision);

/** The commit that a revision names; null if it names none. */
export async function commitOf(git: Git, directory: string, revision: string): Promise<string | null> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`];
  const result = await git.run(directory, args, { accepts: [0, 1, 128] });
  return result.code === 0 ? result.stdout.trim() : null;
}

/** @throws AppError `git_failed` (`revision_missing`) */
export async function needCommit(git: Git, directory: string, revision: string): Promise<string> {
  const commit = await commitOf(git, directory, revision);
  if (commit === null) throw gitRefused('revision_missing', `there is no commit "${revision}" in ${directory}`);
  return commit;
}

/**
 * What git says of commits by a command that looks them up itself; one that is not there is told by its name.
 * @throws AppError `git_failed` (`revision_missing`), and what `ask` throws
 */
export async function ofCommits<T>(
  git: Git,
  directory: string,
  commits: readonly string[],
  ask: (names: readonly string[]) => Promise<T>,
): Promise<T> {
  try {
    return await ask(['--end-of-options', ...commits]);
  } catch (error) {
    for (const revision of commits) await needCommit(git, directory, revision);
    throw error;
  }
}

/** The branch that is checked out; null for a detached HEAD. */
export async function branchOf(git: Git, directory: string): Promise<string | null> {
  const result = await git.run(directory, ['symbolic-ref', '--quiet', 'HEAD'], { accepts: [0, 1] });
  return result.code === 0 ? shortName(result.stdout.trim()) : null;
}

export const branchRef = (branch: string): string => `refs/heads/${branch}`;
export const shortName = (ref: string): string => ref.replace(/^refs\/heads\//, '');

/** Every branch whose name begins so; `prefix` ends with a slash. */
export async function branchesBelow(git: Git, directory: string, prefix: string): Promise<readonly string[]> {
  const text = await git.read(directory, ['for-each-ref', '--format=%(refname)', branchRef(prefix)]);
  return text === '' ? [] : text.split('\n').map(shortName);
}

export function branchExists(git: Git, directory: string, branch: string): Promise<boolean> {
  return git.holds(directory, ['show-ref', '--verify', '--quiet', branchRef(branch)]);
}

/** Whether everything in `ancestor` is also in `descendant`. @throws AppError `git_failed` (`revision_missing`) */
export function isAncestor(git: Git, directory: string, ancestor: string, descendant: string): Promise<boolean> {
  return ofCommits(git, directory, [ancestor, descendant], (commits) =>
    git.holds(directory, ['merge-base', '--is-ancestor', ...commits]),
  );
}

/**
 * Makes a branch without checking it out.
 * @throws AppError `git_failed` (`branch_invalid`, `branch_exists`, `base_missing`)
 */
export function createBranch(git: Git, repoRoot: string, branch: string, base: string): Promise<string> {
  return git.exclusive(repoRoot, async () => {
    const make = (commit: string) => ['update-ref', branchRef(branch), commit, ABSENT];
    // Git refuses by itself what is wrong with the name or a commit; why is asked only then.
    if (isObjectId(base) && !branch.startsWith('-')) {
      const { code } = await git.run(repoRoot, make(base), { accepts: [0, 1, 128] });
      if (code === 0) return base;
    }
    const commit = await checkNewBranch(git, repoRoot, branch, base);
    await git.run(repoRoot, make(commit));
    return commit;
  });
}

/** The commit of `base`, if `branch` can be made there. @throws as `createBranch` */
export async function checkNewBranch(git: Git, repoRoot: string, branch: string, base: string): Promise<string> {
  if (branch.startsWith('-') || !(await git.holds(repoRoot, ['check-ref-format', branchRef(branch)]))) {
    throw gitRefused('branch_invalid', `"${branch}" is not a name that git allows for a branch`);
  }
  if (await branchExists(git, repoRoot, branch)) {
    throw gitRefused('branch_exists', `the branch "${branch}" exists already in ${repoRoot}`);
  }
  const commit = await commitOf(git, repoRoot, base);
  if (commit === null) throw gitRefused('base_missing', `there is no commit "${base}" in ${repoRoot} to start from`);
  return commit;
}

/**
 * Moves a ref from `old` to `commit`, only if it still is at `old`.
 * @throws AppError `git_failed` (`branch_moved`)
 */
export async function moveRef(git: Git, directory: string, ref: string, commit: string, old: string): Promise<void> {
  const result = await git.run(directory, ['update-ref', ref, commit, old], { accepts: [0, 1, 128] });
  const now = await commitOf(git, directory, ref);
  if (result.code === 0 && now === commit) return;
  const words = result.stderr.trim().slice(-500);
  throw gitRefused(now === old ? 'refused' : 'branch_moved', `${ref} was not moved from ${old} to ${commit}: ${words}`);
}

/**
 * Deletes a branch whose every commit is also in `keptRef` (a full ref name), and which is checked out nowhere.
 * False: it stays, or there is none.
 */
export function deleteBranchIfMerged(git: Git, repoRoot: string, branch: string, keptRef: string): Promise<boolean> {
  return git.exclusive(repoRoot, async () => {
    const ref = branchRef(branch);
    const tip = await commitOf(git, repoRoot, ref);
    const kept = keptRef.startsWith('refs/') ? await commitOf(git, repoRoot, keptRef) : null;
    if (tip === null || kept === null || keptRef === ref) return false;
    if (!(await isAncestor(git, repoRoot, tip, kept))) return false;
    if ((await worktrees(git, repoRoot)).some((worktree) => worktree.branch === branch)) return false;
    await git.run(repoRoot, ['update-ref', '-d', ref, tip]);
    return true;
  });
}

export type Worktree = {
  /** Absolute, links resolved. */
  readonly path: string;
  /** Null before the first commit and for a bare repository. */
  readonly commit: string | null;
  /** Null if HEAD is detached. */
  readonly branch: string | null;
  readonly isMain: boolean;
  /** Git was still making it, or was killed at it: until the end it holds a lock of its own for this reason. */
  readonly isUnfinished: boolean;
};

/** Every checkout of the repository; the main one first. */
export async function worktrees(git: Git, repoRoot: string): Promise<readonly Worktree[]> {
  const text = await git.read(repoRoot, ['worktree', 'list', '--porcelain', '-z']);
  const records = text.split('\0\0').filter((record) => record !== '');
  return records.map((record, at) => {
    const attributes = new Map(
      record.split('\0').map((line) => {
        const [key = '', ...rest] = line.split(' ');
        return [key, rest.join(' ')];
      }),
    );
    const commit = attributes.get('HEAD') ?? '0';
    const branch = attributes.get('branch');
    return {
      path: attributes.get('worktree') ?? '',
      commit: /^0+$/.test(commit) ? null : commit,
      branch: branch === undefined ? null : shortName(branch),
      isMain: at === 0,
      isUnfinished: attributes.get('locked') === 'initializing',
    };
  });
}
