import { type Git, gitRefused } from './git.ts';
import { branchRef, commitOf, moveRef, needCommit, worktrees } from './refs.ts';

/** A branch that finished work is brought to: of a remote, or of this repository. */
export type Target = { readonly branch: string; readonly remote: string | null };

/** The full name of the ref that shows the target here: for a remote, as it was fetched or pushed last. */
export const targetRef = ({ branch, remote }: Target): string =>
  remote === null ? branchRef(branch) : `refs/remotes/${remote}/${branch}`;

/**
 * The commit that the target is at now; a remote is asked.
 * @throws AppError `git_failed`: `revision_missing`; `refused` if the remote cannot be reached
 */
export async function targetTip(git: Git, repoRoot: string, target: Target): Promise<string> {
  const { branch, remote } = target;
  const ref = targetRef(target);
  if (remote !== null) {
    const source = `+${branchRef(branch)}:${ref}`;
    const args = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--', remote, source];
    await git.run(repoRoot, args, { isRemote: true });
  }
  return await needCommit(git, repoRoot, ref);
}

/**
 * Moves the target forward from `expected` to `commit`, a descendant of it, and checks that it is there. A remote is
 * pushed to, never by force. A local branch that is checked out takes its checkout along, as `git merge --ff-only` does:
 * git refuses where that would overwrite uncommitted work.
 * @throws AppError `git_failed`: `branch_moved` if it was not at `expected` any more; `refused` with git's words
 */
export function advanceTarget(
  git: Git,
  repoRoot: string,
  target: Target,
  { commit, expected }: { readonly commit: string; readonly expected: string },
): Promise<void> {
  return git.exclusive(repoRoot, async () => {
    if (target.remote !== null) return await push(git, repoRoot, { ...target, remote: target.remote }, commit);
    const ref = branchRef(target.branch);
    const holder = (await worktrees(git, repoRoot)).find(({ branch }) => branch === target.branch);
    if (!holder) return await moveRef(git, repoRoot, ref, commit, expected);
    const actual = await commitOf(git, repoRoot, ref);
    if (actual !== expected) throw moved(target, actual, expected);
    const args = ['merge', '--quiet', '--ff-only', '--no-autostash', commit];
    const { stderr, stdout } = await git.run(holder.path, args, { accepts: [0, 1, 2, 128] });
    if ((await commitOf(git, repoRoot, ref)) === commit) return;
    throw gitRefused('refused', `${holder.path} has ${target.branch} checked out: ${`${stderr}${stdout}`.trim()}`);
  });
}

async function push(
  git: Git,
  repoRoot: string,
  target: Target & { readonly remote: string },
  commit: string,
): Promise<void> {
  const { remote, branch } = target;
  const args = ['push', '--quiet', '--', remote, `${commit}:${branchRef(branch)}`];
  const { stderr } = await git.run(repoRoot, args, { accepts: [0, 1, 128], isRemote: true });
  const actual = await targetTip(git, repoRoot, target);
  if (actual === commit) return;
  // A push that is not a fast-forward is refused by the remote: somebody else was first.
  const words = stderr.trim().slice(-500);
  const isBehind = !(await git.holds(repoRoot, ['merge-base', '--is-ancestor', actual, commit]));
  throw isBehind
    ? moved(target, actual, commit)
    : gitRefused('refused', `${remote} did not take ${commit} for ${branch}: ${words}`);
}

const moved = ({ branch }: Target, actual: string | null, expected: string) =>
  gitRefused('branch_moved', `"${branch}" is at ${actual ?? 'no commit'}, not at ${expected}`);
