import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Git } from '../git/git.ts';
import {
  applyState,
  type CheckoutState,
  commitsOf,
  forgetCommit,
  type Identity,
  isSameState,
  keepState,
  makeCheckout,
  makeObjectStore,
  markCommit,
  type Pack,
  packState,
  pointHead,
  readState,
  takeObjects,
} from '../git/mirror.ts';
import { State } from './wire.ts';

/** A checkout that nobody worked in for so long may go. */
const KEPT_MS = 14 * 86_400_000;

/**
 * The checkouts of a node: for every workspace of the control plane one with the same branch, commits and files. They share
 * their objects and have no remote: what is done in them is fetched by the plane.
 */
export class Checkouts {
  readonly #git: Git;
  readonly #home: string;
  #isReady: Promise<void> | null = null;

  constructor(git: Git, home: string) {
    this.#git = git;
    this.#home = home;
  }

  /** Absolute; may not be there yet. */
  directoryOf(key: string): string {
    return join(this.#home, key);
  }

  async look(key: string): Promise<{
    readonly directory: string;
    readonly have: readonly string[];
    readonly now: CheckoutState | null;
    readonly synced: CheckoutState | null;
  }> {
    await this.#ready();
    const directory = this.directoryOf(key);
    const have = await commitsOf(this.#git, this.#store);
    const isThere = existsSync(join(directory, '.git'));
    return {
      directory,
      have,
      now: isThere ? await readState(this.#git, directory) : null,
      synced: await this.syncedOf(key),
    };
  }

  pack(key: string, have: readonly string[]): Promise<Pack> {
    return this.#alone(key, () => packState(this.#git, this.directoryOf(key), have));
  }

  /** Null if both sides hold the same already. */
  packNews(key: string): Promise<Pack | null> {
    return this.#alone(key, () => this.#packNews(key));
  }

  async #packNews(key: string): Promise<Pack | null> {
    const synced = await this.syncedOf(key);
    const now = await readState(this.#git, this.directoryOf(key));
    if (synced !== null && isSameState(now, synced)) return null;
    return await packState(this.#git, this.directoryOf(key), await commitsOf(this.#git, this.#store));
  }

  /** The checkout becomes what the plane's is. What it held and the plane has not taken is kept at a hidden ref. */
  async push(key: string, pack: Pack, identity: Identity): Promise<void> {
    await this.#ready();
    await this.#alone(key, () => this.#push(key, pack, identity));
  }

  async #push(key: string, pack: Pack, identity: Identity): Promise<void> {
    const path = this.directoryOf(key);
    await takeObjects(this.#git, this.#store, pack);
    await markCommit(this.#git, this.#store, key, pack.commit);
    if (!existsSync(join(path, '.git'))) await makeCheckout(this.#git, { path, store: this.#store, identity });
    else await this.#keepUnsynced(key);
    await pointHead(this.#git, path, pack.state);
    await applyState(this.#git, path, pack.state, pack.commit);
    await this.synced(key, pack.state);
  }

  async synced(key: string, state: CheckoutState): Promise<void> {
    const file = this.#noteOf(key);
    await writeFile(`${file}.new`, JSON.stringify(state), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  /** Removes what has rested for long and is all with the plane. */
  async tidy(now: number): Promise<void> {
    await this.#ready();
    const keys = (await readdir(this.#home)).flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -5)] : []));
    for (const key of keys) {
      const { mtimeMs } = await stat(this.#noteOf(key));
      if (now - mtimeMs < KEPT_MS) continue;
      const path = this.directoryOf(key);
      if (existsSync(join(path, '.git')) && (await this.packNews(key)) !== null) continue;
      await rm(path, { recursive: true, force: true });
      await forgetCommit(this.#git, this.#store, key);
      await rm(this.#noteOf(key));
    }
  }

  async syncedOf(key: string): Promise<CheckoutState | null> {
    const file = this.#noteOf(key);
    return existsSync(file) ? State.parse(JSON.parse(await readFile(file, 'utf8'))) : null;
  }

  async #keepUnsynced(key: string): Promise<void> {
    const news = await this.#packNews(key);
    if (news !== null) await keepState(this.#git, this.directoryOf(key), 'unsynced', news.commit);
  }

  /** One after another: a session that ends may still be packed when the next one begins. */
  #alone<T>(key: string, work: () => Promise<T>): Promise<T> {
    return this.#git.exclusive(this.directoryOf(key), work);
  }

  #noteOf(key: string): string {
    return join(this.#home, `${key}.json`);
  }

  get #store(): string {
    return join(this.#home, 'objects.git');
  }

  #ready(): Promise<void> {
    this.#isReady ??= existsSync(join(this.#store, 'HEAD'))
      ? Promise.resolve()
      : makeObjectStore(this.#git, this.#store);
    return this.#isReady;
  }
}
