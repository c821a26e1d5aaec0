/** Owns cleanups: runs them once, last in first out; a failing one does not stop the others. */
export class Scope implements AsyncDisposable {
  #cleanups: (() => unknown)[] = [];
  #closing: Promise<void> | null = null;
  readonly #abort = new AbortController();

  /** Aborted as soon as the scope begins to close. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isClosed(): boolean {
    return this.#closing !== null;
  }

  /** Runs `cleanup` when the scope closes; at once if it is closed already. */
  defer(cleanup: () => unknown): void {
    if (this.isClosed) void Promise.resolve().then(cleanup);
    else this.#cleanups.push(cleanup);
  }

  /** Takes over something disposable and hands it back. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  /**
   * Concurrent callers share one closing.
   * @throws AggregateError of what the cleanups threw, after all of them ran.
   */
  close(): Promise<void> {
    this.#closing ??= this.#run();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    this.#abort.abort();
    const failures: unknown[] = [];
    for (const cleanup of this.#cleanups.reverse()) {
      try {
        await cleanup();
      } catch (error) {
        failures.push(error);
      }
    }
    this.#cleanups = [];
    if (failures.length > 0) throw new AggregateError(failures, 'cleanup failed');
  }
}
