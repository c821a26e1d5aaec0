import { type FSWatcher, watch } from 'node:fs';
import { lstat, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../base/log.ts';
import { pause } from '../base/wait.ts';
import type { AppError } from '../contract/errors.ts';
import { DROPPED, MAX_EVENT_BYTES, SPOOLED, UNREADABLE } from './hook-script.ts';

/** An event that a hook has left: as it came. */
export type SpooledHook = { readonly id: string; readonly source: string; readonly json: string };

export type SpoolOptions = {
  readonly directory: string;
  /**
   * Resolves when all are durable, with why each was refused or null. An event that is handed in again under its id is
   * taken once. @throws AppError if none can be taken now
   */
  readonly take: (hooks: readonly SpooledHook[]) => Promise<readonly (AppError | null)[]>;
  readonly log: Log;
};

const MAX_BATCH = 200;
/** Masking may make three of one character: what is handed in at once must still be taken at once. */
const MAX_BATCH_BYTES = 8_000_000;
/** After an error. */
const AGAIN_MS = 1_000;
/** What a caller that was killed has left. */
const STALE_MS = 3_600_000;

type Entry = {
  readonly name: string;
  readonly at: bigint;
  readonly pid: number;
  readonly bytes: number;
  readonly isFile: boolean;
};

/** Reads the spool as long as the daemon runs: every event that is in it is handed in once, in order, and then removed. */
export class Spool implements AsyncDisposable {
  readonly #options: SpoolOptions;
  readonly #end = new AbortController();
  readonly #watcher: FSWatcher;
  readonly #running: Promise<void>;
  #hasNew = true;
  #wake: () => void = () => undefined;

  /** The directory must be there. */
  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#watcher = watch(options.directory, () => this.#look());
    this.#watcher.on('error', (error) => options.log.warn({ err: error }, 'the spool cannot be watched any more'));
    this.#running = this.#run();
  }

  /** What was begun is finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#watcher.close();
    this.#end.abort();
    this.#wake();
    await this.#running;
  }

  #look(): void {
    this.#hasNew = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    const { signal } = this.#end;
    const { log } = this.#options;
    let isFailing = false;
    while (!signal.aborted) {
      this.#hasNew = false;
      try {
        while (!signal.aborted && (await this.#takeAll()));
        isFailing = false;
      } catch (error) {
        // The disk is full, or the directory is gone: the events wait where they are.
        if (!isFailing) log.warn({ err: error }, 'events of hooks wait in the spool');
        isFailing = true;
        await pause(AGAIN_MS, signal);
        this.#hasNew = true;
      }
      if (!this.#hasNew && !signal.aborted)
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  /** @returns whether there was something */
  async #takeAll(): Promise<boolean> {
    const entries = await this.#entries();
    await this.#tellDropped();
    for (let rest = entries; rest.length > 0 && !this.#end.signal.aborted; ) {
      const batch = firstOf(rest);
      await this.#takeBatch(batch);
      rest = rest.slice(batch.length);
    }
    return entries.length > 0;
  }

  async #takeBatch(batch: readonly Entry[]): Promise<void> {
    const read = await Promise.all(
      batch.map((entry) => this.#read(entry).catch((error) => this.#setAside(entry, error))),
    );
    const hooks = read.filter((hook) => hook !== null);
    const refusals = hooks.length === 0 ? [] : await this.#options.take(hooks);
    refusals.forEach((refusal, i) => {
      if (refusal) this.#options.log.warn({ event: hooks[i]?.id, err: refusal }, 'an event of a hook was refused');
    });
    await Promise.all(batch.map(({ name }) => rm(this.#path(name), { force: true })));
  }

  /** In the order in which they were left. A clock's tick is some milliseconds long: then the later process is the later. */
  async #entries(): Promise<Entry[]> {
    const names = await readdir(this.#options.directory);
    const found = await Promise.all(names.map((name) => this.#entry(name)));
    return found
      .filter((entry) => entry !== null)
      .sort((a, b) => (a.at === b.at ? a.pid - b.pid : a.at < b.at ? -1 : 1));
  }

  async #entry(name: string): Promise<Entry | null> {
    const isWhole = name.endsWith(SPOOLED) && !name.startsWith('.');
    if (!isWhole && !name.startsWith('.')) return null;
    const found = await lstat(this.#path(name), { bigint: true }).catch(orGone);
    if (!found) return null;
    if (isWhole) {
      const [, pid = '0'] = name.split('.');
      return { name, at: found.mtimeNs, pid: Number(pid), bytes: Number(found.size), isFile: found.isFile() };
    }
    const isStale = Date.now() - Number(found.mtimeMs) > STALE_MS;
    if (isStale && found.isFile()) await rm(this.#path(name), { force: true });
    return null;
  }

  async #read({ name, bytes, isFile }: Entry): Promise<SpooledHook | null> {
    // Reading a pipe would wait for whoever writes into it.
    if (!isFile) throw new Error('it is not a file');
    if (bytes > MAX_EVENT_BYTES + 1_000) {
      this.#options.log.warn({ event: name }, `an event of a hook is larger than ${MAX_EVENT_BYTES} bytes: refused`);
      return null;
    }
    const text = await readFile(this.#path(name), 'utf8').catch(orGone);
    if (text === null) return null;
    const end = text.indexOf('\n');
    const [id = ''] = name.split('.');
    return { id, source: text.slice(0, Math.max(0, end)), json: text.slice(end + 1) };
  }

  /** One entry that cannot be read must not hold up all that come after it. */
  async #setAside({ name }: Entry, error: unknown): Promise<null> {
    if (isShortage(error)) throw error;
    await rename(this.#path(name), this.#path(`${name}${UNREADABLE}`));
    this.#options.log.warn(
      { err: error, event: name },
      `an event of a hook cannot be read: it stays as ${name}${UNREADABLE}`,
    );
    return null;
  }

  /** A sender that met a full spool has dropped its oldest. */
  async #tellDropped(): Promise<void> {
    const taken = this.#path(`.${DROPPED}`);
    const isThere = await rename(this.#path(DROPPED), taken).then(
      () => true,
      (error: unknown) => orGone(error) !== null,
    );
    if (!isThere) return;
    const counts = (await readFile(taken, 'utf8')).split('\n').map(Number);
    const count = counts.filter(Number.isFinite).reduce((sum, one) => sum + one, 0);
    this.#options.log.warn({ count }, `the spool was full: ${count} events of hooks were dropped`);
    await rm(taken, { force: true });
  }

  #path(name: string): string {
    return join(this.#options.directory, name);
  }
}

/** Null for what somebody has removed meanwhile: a sender that makes room. */
function orGone(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}

/** The daemon is short of something, and the entry is not to blame. */
const isShortage = (error: unknown): boolean =>
  ['EMFILE', 'ENFILE', 'ENOMEM'].includes((error as NodeJS.ErrnoException).code ?? '');

function firstOf(entries: readonly Entry[]): Entry[] {
  const batch: Entry[] = [];
  let bytes = 0;
  for (const entry of entries.slice(0, MAX_BATCH)) {
    bytes += entry.bytes;
    if (batch.length > 0 && bytes > MAX_BATCH_BYTES) break;
    batch.push(entry);
  }
  return batch;
}
