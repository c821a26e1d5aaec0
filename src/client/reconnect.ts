import { AppError } from '../contract/errors.ts';

const FIRST_MS = 50;
const LONGEST_MS = 3_000;

export type Patience = {
  readonly signal?: AbortSignal | undefined;
  /** How long to try without a connection; absent: as long as it takes. */
  readonly giveUpMs?: number | undefined;
};

/** Waits longer after each failure to connect, until it has lasted too long. */
export class Reconnect {
  readonly #patience: Patience;
  #failures = 0;
  #lostAt = 0;

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  connected(): void {
    this.#failures = 0;
  }

  /**
   * Returns when it is time to try again, or at once if `signal` aborts.
   * @throws what was thrown, unless it may pass: the daemon is away or at its limit
   */
  async failed(error: unknown): Promise<void> {
    const isPassing = error instanceof AppError && (error.code === 'daemon_unreachable' || error.code === 'overloaded');
    if (!isPassing) throw error;
    const now = performance.now();
    if (this.#failures === 0) this.#lostAt = now;
    if (now - this.#lostAt > (this.#patience.giveUpMs ?? Number.POSITIVE_INFINITY)) throw error;
    await pause(Math.min(FIRST_MS * 2 ** this.#failures, LONGEST_MS), this.#patience.signal);
    this.#failures += 1;
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const onAbort = (): void => resolve();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}
