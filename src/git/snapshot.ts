import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Git, gitRefused } from './git.ts';
import { ABSENT, branchOf, branchRef, commitOf, moveRef } from './refs.ts';
import { needCheckout, treeOfFiles } from './tree.ts';

/** Who a commit names. The email is the person's own (`user.email`), or a neutral one. */
export type Author = { readonly name: string };

const SNAPSHOTS = 'refs/gantry/snapshots/';
const NEUTRAL_EMAIL = 'gantry@localhost';
const GANTRY: Author = { name: 'Gantry' };

export type SnapshotSpec = {
  /** The checkout. */
  readonly path: string;
  /** Below `refs/gantry/snapshots/`. A second snapshot of that name has the first one as a parent. */
  readonly name: string;
  readonly message: string;
};

/** The full name of a snapshot's ref. */
export const snapshotRef = (name: string): string => SNAPSHOTS + name;

/**
 * Saves everything in a checkout that is not ignored as a commit at a hidden ref, and checks the ref.
 * Index, HEAD and files stay as they are. Null if there is nothing that HEAD does not hold.
 * @throws AppError `git_failed`; then nothing may be taken as saved.
 */
export async function snapshot(git: Git, spec: SnapshotSpec): Promise<string | null> {
  const tree = await treeOfFiles(git, spec.path);
  const head = await commitOf(git, spec.path, 'HEAD');
  if (tree === (await treeOf(git, spec.path, head))) return null;
  const ref = snapshotRef(spec.name);
  const earlier = await commitOf(git, spec.path, ref);
  if (earlier !== null && tree === (await treeOf(git, spec.path, earlier))) {
    if (head === null || (await parentsOf(git, spec.path, earlier)).includes(head)) return earlier;
  }
  const parents = [head, earlier].filter((commit) => commit !== null);
  const commit = await commitTree(git, spec.path, { tree, parents, message: spec.message, author: GANTRY });
  await moveRef(git, spec.path, ref, commit, earlier ?? ABSENT);
  return commit;
}

/** Keeps a commit that no branch may hold at a snapshot's ref. */
export async function keepCommit(git: Git, { path, name, message }: SnapshotSpec, commit: string): Promise<void> {
  const ref = snapshotRef(name);
  const earlier = await commitOf(git, path, ref);
  if (earlier === commit) return;
  if (earlier === null) return await moveRef(git, path, ref, commit, ABSENT);
  const tree = await treeOf(git, path, commit);
  const both = await commitTree(git, path, { tree, parents: [commit, earlier], message, author: GANTRY });
  await moveRef(git, path, ref, both, earlier);
}

/**
 * Commits everything in a checkout that is not ignored onto its branch; null if nothing differs from HEAD.
 * Files of repositories made inside of it are committed as plain files. No hook runs. Programs that write there must have ended.
 * @throws AppError `git_failed`: `branch_left` if another branch or none is checked out, `branch_moved`
 */
export async function commitAll(
  git: Git,
  spec: { readonly path: string; readonly branch: string; readonly message: string; readonly author: Author },
): Promise<string | null> {
  const { path, branch } = spec;
  await clearLocks(git, path);
  const actual = await branchOf(git, path);
  if (actual !== branch) {
    const found = actual === null ? 'no branch' : `"${actual}"`;
    throw gitRefused('branch_left', `${path} should have "${branch}" checked out, but has ${found}`);
  }
  const tree = await treeOfFiles(git, path);
  const head = await commitOf(git, path, 'HEAD');
  if (tree === (await treeOf(git, path, head))) return null;
  const parents = head === null ? [] : [head];
  const commit = await commitTree(git, path, { ...spec, tree, parents });
  await moveRef(git, path, branchRef(branch), commit, head ?? ABSENT);
  await git.run(path, ['reset', '--mixed', '--quiet']);
  return commit;
}

/** Makes the index follow HEAD; no file changes. */
export async function syncIndex(git: Git, path: string): Promise<void> {
  await clearLocks(git, path);
  await git.run(path, ['reset', '--mixed', '--quiet']);
}

/**
 * Locks that a killed git has left in a linked worktree would stop every later one.
 * The main checkout is a person's: its locks are theirs.
 */
async function clearLocks(git: Git, path: string): Promise<void> {
  const { gitDir, commonDir } = await needCheckout(git, path);
  if (gitDir === commonDir) return;
  const branch = await branchOf(git, path);
  const locks = [join(gitDir, 'index.lock'), join(gitDir, 'HEAD.lock')];
  if (branch !== null) locks.push(join(commonDir, `${branchRef(branch)}.lock`));
  for (const lock of locks) await rm(lock, { force: true });
}

/** A commit object of a tree; no ref knows it yet. */
export async function commitTree(
  git: Git,
  directory: string,
  spec: {
    readonly tree: string;
    readonly parents: readonly string[];
    readonly message: string;
    readonly author: Author;
  },
): Promise<string> {
  const email = (await git.run(directory, ['config', 'user.email'], { accepts: [0, 1] })).stdout.trim();
  const person = { NAME: spec.author.name, EMAIL: email || NEUTRAL_EMAIL };
  const env = {
    GIT_AUTHOR_NAME: person.NAME,
    GIT_AUTHOR_EMAIL: person.EMAIL,
    GIT_COMMITTER_NAME: person.NAME,
    GIT_COMMITTER_EMAIL: person.EMAIL,
  };
  const args = ['commit-tree', spec.tree, ...spec.parents.flatMap((parent) => ['-p', parent]), '-F', '-'];
  return await git.read(directory, args, { env, stdin: spec.message });
}

/** Of no commit: the empty tree, as in a repository without a first commit. */
export async function treeOf(git: Git, directory: string, commit: string | null): Promise<string> {
  return commit === null
    ? await git.read(directory, ['hash-object', '-t', 'tree', '--stdin'], { stdin: '' })
    : await git.read(directory, ['rev-parse', '--verify', `${commit}^{tree}`]);
}

async function parentsOf(git: Git, directory: string, commit: string): Promise<readonly string[]> {
  return (await git.read(directory, ['rev-parse', `${commit}^@`])).split('\n');
}
