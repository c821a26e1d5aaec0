import { type Deferred, deferred, settled } from '../../base/wait.ts';
import { AppError } from '../../contract/errors.ts';
import type { Host, ProcessRecord } from '../../hosts/host.ts';

/** What was asked of a program gets its answer before it is frozen, or it is not frozen. */
const ANSWER_LIMIT_MS = 5_000;

/** All that one session has started in a host that can freeze. */
export type Freezer = { readonly freeze: () => Promise<void>; readonly thaw: () => Promise<void> };

/** A host as one session uses it, and what freezes the session's programs there; null if that host cannot. */
export function freezable(host: Host): { readonly host: Host; readonly freezer: Freezer | null } {
  const { freeze, thaw } = host;
  if (!freeze || !thaw) return { host, freezer: null };
  const running = new Set<ProcessRecord>();
  const each = async (act: (record: ProcessRecord) => Promise<void>): Promise<void> => {
    if (running.size === 0) throw new AppError('conflict', 'its program does not run any more');
    await Promise.all([...running].map(act));
  };
  const start: Host['start'] = async (spec) => {
    const process = await host.start(spec);
    running.add(process.record);
    void process.exited.then(() => running.delete(process.record));
    return process;
  };
  return { host: { ...host, start }, freezer: { freeze: () => each(freeze), thaw: () => each(thaw) } };
}

/** Keeps words for a frozen program until it goes on: no limit of its driver runs while it cannot answer. */
export class Standstill {
  readonly #freezer: Freezer | null;
  readonly #calls = new Set<Promise<unknown>>();
  #over: Deferred<void> | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(freezer: Freezer | null) {
    this.#freezer = freezer;
  }

  get isPossible(): boolean {
    return this.#freezer !== null;
  }

  get isNow(): boolean {
    return this.#over !== null;
  }

  /** @throws AppError `cancelled` if it ends frozen */
  async call<T>(ask: () => Promise<T>): Promise<T> {
    while (this.#over !== null) await this.#over.promise;
    const answer = ask();
    const heard = answer.catch(() => undefined);
    this.#calls.add(heard);
    try {
      return await answer;
    } finally {
      this.#calls.delete(heard);
    }
  }

  /** @throws AppError with the cause; then it runs on */
  freeze(): Promise<void> {
    return this.#next(async () => {
      const freezer = this.#freezer;
      if (freezer === null) throw new AppError('unsupported', 'it cannot be frozen where it runs');
      const over = deferred<void>();
      // Whoever waits has a part of it of their own.
      over.promise.catch(() => undefined);
      this.#over = over;
      try {
        if ((await settled(Promise.all(this.#calls), ANSWER_LIMIT_MS)) === null)
          throw new AppError('timeout', `its program has not taken in ${ANSWER_LIMIT_MS} ms what it was told`);
        await freezer.freeze();
      } catch (error) {
        await freezer.thaw().catch(() => undefined);
        this.#release();
        throw error;
      }
    });
  }

  /** Does nothing if it is not frozen. @throws AppError with the cause; then its program is gone */
  thaw(): Promise<void> {
    return this.#next(async () => {
      if (this.#over === null) return;
      await this.#freezer?.thaw();
      this.#release();
    });
  }

  /** As `thaw`, for a program that is to be ended: nothing that waited is told to it. */
  end(): Promise<void> {
    return this.#next(async () => {
      if (this.#over === null) return;
      this.#over.reject(new AppError('cancelled', 'the session was ended while it was frozen'));
      this.#over = null;
      await this.#freezer?.thaw();
    });
  }

  #release(): void {
    this.#over?.resolve();
    this.#over = null;
  }

  #next(act: () => Promise<void>): Promise<void> {
    const next = this.#last.then(act);
    this.#last = next.catch(() => undefined);
    return next;
  }
}
