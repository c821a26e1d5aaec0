import { closeSync, existsSync, mkdirSync, openSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { deferred } from '../../../base/wait.ts';

/** The turn was interrupted while something waited. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted');
    this.name = 'Interrupted';
  }
}

/** What the promise gives. @throws Interrupted as soon as the signal aborts. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const stop = deferred<never>();
  const onAbort = (): void => stop.reject(new Interrupted());
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, stop.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** A directory whose files decide the order of things: a test makes them, agents wait for them. */
export class Control {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The path of a file of this directory, which is made when it is first needed. */
  #path(name: string): string {
    mkdirSync(this.#directory, { recursive: true });
    return join(this.#directory, name);
  }

  /** Resolves when the file of that name is there. */
  async released(name: string, signal: AbortSignal): Promise<void> {
    const path = this.#path(name);
    const there = deferred<void>();
    const look = (): void => {
      if (existsSync(path)) there.resolve();
    };
    const watcher = watch(this.#directory, look);
    try {
      look();
      await unlessAborted(there.promise, signal);
    } finally {
      watcher.close();
    }
  }

  /** True for the first who asks by that name, ever. */
  isFirst(name: string): boolean {
    try {
      closeSync(openSync(this.#path(`once-${name}`), 'wx'));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  }

  /** The text of a file, null if it is not there. */
  read(name: string): string | null {
    const path = join(this.#directory, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : null;
  }
}
