import { type Deferred, deferred, firstOf } from '../base/wait.ts';
import type { AttemptLedger } from './attempt-ledger.ts';
import type { Parts } from './parts.ts';
import type { LiveSession } from './session.ts';

type End = { readonly type: 'park' | 'timeout'; readonly cause: string };

/** The time of one run: its limit, and its standstill from a pause to a resume. */
export class AttemptFreeze {
  readonly #parts: Parts;
  readonly #ledger: AttemptLedger;
  readonly #stop: (reason: End) => void;
  #inTurn: LiveSession | null = null;
  #over: Deferred<void> | null = null;
  #frozen: Promise<LiveSession | null> = Promise.resolve(null);
  /** The limit holds no more. */
  cancel: () => void = () => undefined;

  constructor(parts: Parts, ledger: AttemptLedger, stop: (reason: End) => void) {
    this.#parts = parts;
    this.#ledger = ledger;
    this.#stop = stop;
    this.#arm();
  }

  #arm(): void {
    const { clock } = this.#parts;
    this.cancel = clock.after(this.#ledger.attempt.deadlineAt - clock.now(), () =>
      this.#stop({ type: 'timeout', cause: 'the attempt took longer than its time limit' }),
    );
  }

  /** Only in a turn it can be frozen; then its end is given when it goes on. */
  async turn<T>(live: LiveSession, hear: () => Promise<T>, stopped: Promise<never>): Promise<T> {
    this.#inTurn = live;
    try {
      const result = await hear();
      // What the program said before it was frozen may be read only afterwards.
      while (this.#over !== null) await firstOf<void>([this.#over.promise, stopped]);
      return result;
    } finally {
      this.#inTurn = null;
    }
  }

  /** @returns whether it stands still; one that cannot although its host could is told to end, with the cause */
  async begin(cause: string): Promise<boolean> {
    const live = this.#inTurn;
    if (!live?.canFreeze) return false;
    this.#over = deferred();
    this.cancel();
    this.#frozen = live.freeze(cause).then(
      () => live,
      (error: unknown) => {
        this.#end(
          `${cause}; it could not be frozen (${wordsOf(error)}): its program was ended, its conversation is kept`,
        );
        return null;
      },
    );
    return (await this.#frozen) !== null;
  }

  /** Its program goes on, or it is told to end, with the cause. */
  async end(cause: string): Promise<void> {
    const live = await this.#frozen;
    if (live === null || this.#over === null) return;
    try {
      await live.thaw(cause);
    } catch (error) {
      return this.#end(`${cause}; its frozen program did not go on (${wordsOf(error)}): a new one takes its place`);
    }
    this.#arm();
    this.#over.resolve();
    this.#over = null;
  }

  #end(cause: string): void {
    this.#stop({ type: 'park', cause });
  }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
