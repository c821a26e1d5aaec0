import { createHash } from 'node:crypto';
import { toAppError } from '../contract/errors.ts';
import type { Git } from '../git/git.ts';
import {
  applyState,
  type CheckoutState,
  identityOf,
  isSameState,
  keepState,
  type Pack,
  packState,
  readState,
  takeObjects,
} from '../git/mirror.ts';
import { snapshot, snapshotRef } from '../git/snapshot.ts';
import type { Peer } from './peer.ts';

/** Of a node's checkout: the same for the same directory of this machine. */
export const keyOf = (directory: string): string => createHash('sha256').update(directory).digest('hex').slice(0, 16);

/** A checkout of this machine and its twin on a node. Whichever side changed gives to the other; if both did, both are kept. */
export class Twin {
  readonly key: string;
  readonly #git: Git;
  readonly #node: string;
  readonly #directory: string;
  readonly #isOurs: boolean;
  #remote = '';
  /** What both sides held last. */
  #synced: CheckoutState | null = null;

  /** `isOurs`: a workspace of Gantry, not a checkout of the person: only there what was done on the node is taken over. */
  constructor(git: Git, node: string, directory: string, isOurs: boolean) {
    this.#git = git;
    this.#node = node;
    this.#directory = directory;
    this.#isOurs = isOurs;
    this.key = keyOf(directory);
  }

  /** For `rewrite`: names of this machine as the node's, and the other way round. */
  get there(): readonly (readonly [string, string])[] {
    return [[this.#directory, this.#remote]];
  }

  get here(): readonly (readonly [string, string])[] {
    return [[this.#remote, this.#directory]];
  }

  /**
   * Both sides hold the same: what was done there while nobody listened comes here first.
   * @returns what was kept aside because it was changed on both sides, in words; null if nothing was
   * @throws AppError `git_failed` (`not_a_worktree`)
   */
  meet(peer: Peer): Promise<string | null> {
    return this.#alone(() => this.#meet(peer));
  }

  async #meet(peer: Peer): Promise<string | null> {
    const { output: found } = await peer.call('look', { key: this.key });
    this.#remote = found.directory;
    this.#synced = found.synced;
    const local = await readState(this.#git, this.#directory);
    let problem: string | null = null;
    if (found.now !== null && found.synced !== null && !isSameState(found.now, found.synced)) {
      const have = [found.synced.head, local.head].filter((commit) => commit !== null);
      const { output, blob } = await peer.call('pull', { key: this.key, have });
      problem =
        blob === null ? 'the node sent nothing' : await this.#take(peer, { ...output, bundle: blob }, () => true);
    }
    await this.#push(peer, found.have);
    return problem;
  }

  /** Gives the node what has changed here. */
  push(peer: Peer): Promise<void> {
    return this.#alone(() => this.#push(peer, null));
  }

  async #push(peer: Peer, known: readonly string[] | null): Promise<void> {
    const local = await readState(this.#git, this.#directory);
    const isSame = this.#synced !== null && isSameState(local, this.#synced) && local.branch === this.#synced.branch;
    if (isSame) return;
    const have = known ?? (await peer.call('look', { key: this.key })).output.have;
    const { bundle, ...pack } = await packState(this.#git, this.#directory, have);
    const identity = await identityOf(this.#git, this.#directory);
    await peer.call('push', { key: this.key, pack, identity }, { blob: bundle });
    this.#synced = pack.state;
  }

  /**
   * Takes what the node's side holds, after a snapshot of this one. If this side has changed too, is a person's checkout, or
   * the node's is on another branch, it is kept at a hidden ref instead. `isWanted` is asked at the last moment.
   * @returns why it could not be taken, in words; null if it was
   */
  take(peer: Peer, pack: Pack, isWanted = (): boolean => true): Promise<string | null> {
    return this.#alone(() => this.#take(peer, pack, isWanted));
  }

  async #take(peer: Peer, pack: Pack, isWanted: () => boolean): Promise<string | null> {
    const [git, path] = [this.#git, this.#directory];
    try {
      await takeObjects(git, path, pack);
      const local = await readState(git, path);
      // It may be here already: a daemon that was killed had no time to say so.
      if (!isSameState(local, pack.state)) {
        if (!this.#isOurs) return await this.#keep(pack, `${path} is a checkout of yours, which no node changes`);
        if (this.#synced === null || !isSameState(local, this.#synced))
          return await this.#keep(pack, `${path} was changed here too`);
        const message = 'Before the work of a node\n';
        await snapshot(git, { path, name: `${this.#ref}/before`, message });
        if (!isWanted()) return await this.#keep(pack, 'the session was lost meanwhile');
        await applyState(git, path, pack.state, pack.commit);
      }
      this.#synced = pack.state;
      await peer.call('synced', { key: this.key, state: pack.state });
      return null;
    } catch (error) {
      return await this.#keep(pack, toAppError(error).message);
    }
  }

  get #ref(): string {
    return `node/${this.#node}/${this.key}`;
  }

  /** One after another: what one leaves is what the next begins with. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#git.exclusive(`twin of ${this.#directory}`, work);
  }

  async #keep(pack: Pack, why: string): Promise<string> {
    try {
      await keepState(this.#git, this.#directory, this.#ref, pack.commit);
      return `${why}; it is kept at ${snapshotRef(this.#ref)}`;
    } catch (error) {
      return `${why}; it is still in the node's checkout (${toAppError(error).message})`;
    }
  }
}

/** The twins that are in use: sessions in one directory share one. */
export class Twins {
  readonly #git: Git;
  readonly #node: string;
  readonly #workspaces: string;
  readonly #known = new Map<string, { readonly twin: Twin; users: number }>();

  /** `workspaces`: the directory below which Gantry has its own. */
  constructor(git: Git, node: string, workspaces: string) {
    this.#git = git;
    this.#node = node;
    this.#workspaces = workspaces;
  }

  /** Ends with `release`. */
  take(directory: string): { readonly twin: Twin; readonly release: () => void } {
    const isOurs = directory.startsWith(`${this.#workspaces}/`);
    const entry = this.#known.get(directory) ?? {
      twin: new Twin(this.#git, this.#node, directory, isOurs),
      users: 0,
    };
    this.#known.set(directory, entry);
    entry.users += 1;
    const release = (): void => {
      entry.users -= 1;
      if (entry.users === 0) this.#known.delete(directory);
    };
    return { twin: entry.twin, release };
  }
}
