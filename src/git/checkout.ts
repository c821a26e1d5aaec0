import { rm } from 'node:fs/promises';
import type { Git } from './git.ts';
import { needCommit } from './refs.ts';
import { registered, removal } from './worktree.ts';

/**
 * Lets `use` run commands in a clean checkout of a commit, detached, at `path`; then it is gone. Only for content that is
 * in a commit already: what a command leaves there is a by-product and is not kept. What a killed daemon left at `path`
 * is removed first: nothing else may ever be there.
 * @throws AppError `git_failed`; whatever `use` throws
 */
export async function withCheckout<T>(
  git: Git,
  spec: { readonly repoRoot: string; readonly path: string; readonly commit: string },
  use: (path: string) => Promise<T>,
): Promise<T> {
  const { repoRoot, path } = spec;
  const commit = await needCommit(git, repoRoot, spec.commit);
  await git.exclusive(repoRoot, async () => {
    await remove(git, repoRoot, path);
    await git.run(repoRoot, ['worktree', 'add', '--quiet', '--detach', '--', path, commit]);
  });
  try {
    return await use(path);
  } finally {
    await discardCheckout(git, repoRoot, path);
  }
}

/** Removes what a killed daemon left of `withCheckout` at `path`. Safe to repeat. */
export const discardCheckout = (git: Git, repoRoot: string, path: string): Promise<void> =>
  git.exclusive(repoRoot, () => remove(git, repoRoot, path));

async function remove(git: Git, repoRoot: string, path: string): Promise<void> {
  if (await registered(git, repoRoot, path)) await git.run(repoRoot, removal(path));
  await rm(path, { recursive: true, force: true });
}
