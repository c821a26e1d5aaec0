import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../contract/errors.ts';
import { type Git, gitRefused } from './git.ts';
import { ABSENT, branchOf, branchRef, commitOf, moveRef } from './refs.ts';
import { commitTree, keepCommit } from './snapshot.ts';
import { treeOfFiles } from './tree.ts';

/** What a checkout holds: what is committed, and all of its files that are not ignored. Equal states have equal ids. */
export type CheckoutState = {
  /** Null: none is checked out. */
  readonly branch: string | null;
  /** Null: there is no commit yet. */
  readonly head: string | null;
  readonly tree: string;
};

/** A state with all that the other side lacks of it. */
export type Pack = {
  readonly state: CheckoutState;
  /** A commit of the tree on top of `head`. */
  readonly commit: string;
  /** A git bundle. */
  readonly bundle: Buffer;
};

/** Whose commits are made there. */
export type Identity = { readonly name: string | null; readonly email: string | null };

const MIRROR = 'refs/gantry/mirror/';
const MAX_BUNDLE_BYTES = 512 * 1024 * 1024;
/** Of the commits that the other side has: the newest say enough. */
const MAX_HAVE = 200;

export const isSameState = (one: CheckoutState, other: CheckoutState): boolean =>
  one.head === other.head && one.tree === other.tree;

/** @throws AppError `git_failed` (`not_a_worktree`) */
export async function readState(git: Git, path: string): Promise<CheckoutState> {
  const tree = await treeOfFiles(git, path);
  const [branch, head] = await Promise.all([branchOf(git, path), commitOf(git, path, 'HEAD')]);
  return { branch, head, tree };
}

/** Packs what a checkout holds now. `have`: commits of the other side. @throws AppError `too_large` */
export async function packState(git: Git, path: string, have: readonly string[]): Promise<Pack> {
  const state = await readState(git, path);
  const parents = state.head === null ? [] : [state.head];
  const author = { name: 'Gantry' };
  const commit = await commitTree(git, path, { tree: state.tree, parents, message: 'What a checkout holds\n', author });
  const ref = `${MIRROR}${commit}`;
  const file = join(await git.read(path, ['rev-parse', '--absolute-git-dir']), `gantry-mirror-${commit}.bundle`);
  try {
    await git.run(path, ['update-ref', ref, commit]);
    const known = await knownOf(git, path, have);
    await git.run(path, ['bundle', 'create', '--quiet', file, ref, ...(known.length === 0 ? [] : ['--not', ...known])]);
    const bundle = await readFile(file);
    if (bundle.length > MAX_BUNDLE_BYTES)
      throw new AppError('too_large', `what ${path} holds is more than ${MAX_BUNDLE_BYTES} bytes`);
    return { state, commit, bundle };
  } finally {
    await rm(file, { force: true });
    await git.run(path, ['update-ref', '-d', ref]);
  }
}

async function knownOf(git: Git, path: string, have: readonly string[]): Promise<readonly string[]> {
  const commits = have.slice(0, MAX_HAVE);
  if (commits.length === 0) return [];
  const stdin = `${commits.join('\n')}\n`;
  const lines = (await git.read(path, ['cat-file', '--batch-check=%(objectname) %(objecttype)'], { stdin })).split(
    '\n',
  );
  return lines.flatMap((line) => (line.endsWith(' commit') ? [line.split(' ')[0] ?? ''] : []));
}

/**
 * Takes the objects of a pack in, and sees that they are what it says; no file and no branch changes. `place`: a checkout or a
 * bare repository. @throws AppError `git_failed`
 */
export async function takeObjects(git: Git, place: string, { bundle, commit, state }: Pack): Promise<void> {
  const gitDir = await git.read(place, ['rev-parse', '--absolute-git-dir']);
  const file = join(gitDir, `gantry-mirror-${commit}.bundle`);
  try {
    await writeFile(file, bundle, { mode: 0o600 });
    await git.run(place, ['bundle', 'unbundle', file]);
  } finally {
    await rm(file, { force: true });
  }
  const held = await git.read(place, ['log', '-1', '--format=%T %P', commit, '--']);
  if (held !== `${state.tree} ${state.head ?? ''}`)
    throw gitRefused('refused', `the pack ${commit} is not what it says`);
}

/**
 * Makes a checkout hold a state whose objects are there: its branch is at `head`, the rest is uncommitted. Ignored files stay.
 * Whoever calls has saved what the checkout held.
 * @throws AppError `git_failed`: `branch_left`, `branch_moved`, and then nothing has changed; no other branch is ever moved
 */
export async function applyState(git: Git, path: string, state: CheckoutState, commit: string): Promise<void> {
  const branch = await branchOf(git, path);
  if (branch !== state.branch)
    throw gitRefused(
      'branch_left',
      `"${state.branch ?? 'no branch'}" was worked on, not "${branch ?? 'no branch'}" of ${path}`,
    );
  const before = await commitOf(git, path, 'HEAD');
  if (state.head !== null && state.head !== before) await moveRef(git, path, 'HEAD', state.head, before ?? ABSENT);
  await git.run(path, ['add', '--all']);
  await git.run(path, ['read-tree', '--reset', '-u', commit]);
  await git.run(path, ['reset', '--mixed', '--quiet']);
  const now = await readState(git, path);
  if (!isSameState(now, state)) throw gitRefused('refused', `${path} does not hold what it was given`);
}

/** Keeps a state that a checkout cannot take at a hidden ref below `refs/gantry/snapshots/`. */
export const keepState = (git: Git, path: string, name: string, commit: string): Promise<void> =>
  keepCommit(git, { path, name, message: 'What a node held\n' }, commit);

/** A bare repository that checkouts share their objects with. */
export async function makeObjectStore(git: Git, path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await git.run(path, ['init', '--quiet', '--bare']);
}

/** The commits that the store was given last, newest first. */
export async function commitsOf(git: Git, store: string): Promise<readonly string[]> {
  const args = ['for-each-ref', `--count=${MAX_HAVE}`, '--sort=-committerdate', '--format=%(objectname)', MIRROR];
  const text = await git.read(store, args);
  return text === '' ? [] : text.split('\n');
}

/** Keeps a commit of the store from being forgotten; `name` moves from one commit to the next. */
export async function markCommit(git: Git, store: string, name: string, commit: string): Promise<void> {
  const ref = MIRROR + name;
  await moveRef(git, store, ref, commit, (await commitOf(git, store, ref)) ?? ABSENT);
}

export async function forgetCommit(git: Git, store: string, name: string): Promise<void> {
  await git.run(store, ['update-ref', '-d', MIRROR + name]);
}

/** A new checkout of nothing yet, with the objects of a store at hand. */
export async function makeCheckout(
  git: Git,
  spec: { readonly path: string; readonly store: string; readonly identity: Identity },
): Promise<void> {
  const { path, store, identity } = spec;
  await mkdir(path, { recursive: true, mode: 0o700 });
  await git.run(path, ['init', '--quiet']);
  await writeFile(join(path, '.git', 'objects', 'info', 'alternates'), `${join(store, 'objects')}\n`);
  for (const [key, value] of Object.entries(identity))
    if (value !== null) await git.run(path, ['config', `user.${key}`, value]);
}

/** Checks out the branch of a state, or none as it has: without a file changing, for `applyState` to follow. */
export async function pointHead(git: Git, path: string, { branch, head }: CheckoutState): Promise<void> {
  if (branch !== null) await git.run(path, ['symbolic-ref', 'HEAD', branchRef(branch)]);
  else if (head !== null) await git.run(path, ['update-ref', '--no-deref', 'HEAD', head]);
}

/** Whose commits are made in a checkout, as git is configured. */
export async function identityOf(git: Git, path: string): Promise<Identity> {
  const read = async (key: string): Promise<string | null> =>
    (await git.run(path, ['config', `user.${key}`], { accepts: [0, 1] })).stdout.trim() || null;
  return { name: await read('name'), email: await read('email') };
}
