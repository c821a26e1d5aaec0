import { type Git, gitRefused } from './git.ts';
import { branchRef, commitOf, isAncestor, isObjectId, moveRef, needCommit, ofCommits, worktrees } from './refs.ts';
import { type Author, commitTree } from './snapshot.ts';

export type MergePreview =
  | { readonly kind: 'clean'; readonly tree: string }
  /** `tree` has git's conflict markers in the files that are named. */
  | { readonly kind: 'conflict'; readonly tree: string; readonly conflicts: readonly string[] };

/**
 * Merges two commits without a checkout and without moving anything; a conflict names its files.
 * @throws AppError `git_failed`: `revision_missing`; `refused` as for histories without a common commit
 */
export async function mergePreview(git: Git, repo: string, ours: string, theirs: string): Promise<MergePreview> {
  const result = await ofCommits(git, repo, [ours, theirs], (commits) => {
    const args = ['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages', ...commits];
    return git.run(repo, args, { accepts: [0, 1] });
  });
  const [tree = '', ...conflicts] = result.stdout.split('\0').filter((part) => part !== '');
  if (tree === '' || result.isTruncated) throw gitRefused('refused', `git merge-tree gave no tree: ${result.stderr}`);
  return result.code === 0 ? { kind: 'clean', tree } : { kind: 'conflict', tree, conflicts: [...new Set(conflicts)] };
}

export type MergeResult =
  | { readonly kind: 'unchanged' | 'fast-forward' | 'merged'; readonly commit: string }
  | { readonly kind: 'conflict'; readonly conflicts: readonly string[] };

/**
 * Brings `theirs` into a branch that is checked out nowhere, if the branch still is at `expected`. A conflict changes nothing.
 * @throws AppError `git_failed`: `branch_checked_out`, `branch_moved`, `revision_missing`
 */
export function mergeOnto(
  git: Git,
  spec: {
    readonly repoRoot: string;
    readonly branch: string;
    /** The commit that the branch was last seen at. */
    readonly expected: string;
    readonly theirs: string;
    readonly message: string;
    readonly author: Author;
  },
): Promise<MergeResult> {
  const { repoRoot, branch, expected } = spec;
  return git.exclusive(repoRoot, async () => {
    const holder = (await worktrees(git, repoRoot)).find((worktree) => worktree.branch === branch);
    if (holder) throw gitRefused('branch_checked_out', `"${branch}" is checked out in ${holder.path}`);
    const actual = await commitOf(git, repoRoot, branchRef(branch));
    if (actual !== expected) {
      throw gitRefused('branch_moved', `"${branch}" is at ${actual ?? 'no commit'}, not at ${expected}`);
    }
    const theirs = isObjectId(spec.theirs) ? spec.theirs : await needCommit(git, repoRoot, spec.theirs);
    if (await isAncestor(git, repoRoot, theirs, expected)) return { kind: 'unchanged', commit: expected };
    const result = await joined(git, { ...spec, theirs });
    if (result.kind !== 'conflict') await moveRef(git, repoRoot, branchRef(branch), result.commit, expected);
    return result;
  });
}

async function joined(
  git: Git,
  spec: {
    readonly repoRoot: string;
    readonly expected: string;
    readonly theirs: string;
    readonly message: string;
    readonly author: Author;
  },
): Promise<MergeResult> {
  const { repoRoot, expected, theirs } = spec;
  if (await isAncestor(git, repoRoot, expected, theirs)) return { kind: 'fast-forward', commit: theirs };
  const preview = await mergePreview(git, repoRoot, expected, theirs);
  if (preview.kind === 'conflict') return { kind: 'conflict', conflicts: preview.conflicts };
  const commit = await commitTree(git, repoRoot, { ...spec, tree: preview.tree, parents: [expected, theirs] });
  return { kind: 'merged', commit };
}
