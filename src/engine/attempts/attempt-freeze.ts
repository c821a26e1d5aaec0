import { type Deferred, deferred, firstOf } from '../../base/wait.ts';
import type { Parts } from '../parts.ts';
import type { LiveSession } from '../sessions/session.ts';
import type { AttemptLedger } from './attempt-ledger.ts';

type End = { readonly type: 'park' | 'timeout'; readonly cause: string };

/** The time of one run: its limit, and its standstill from a pause to a resume. */
export class AttemptFreeze {
  readonly #parts: Parts;
  readonly #ledger: AttemptLedger;
  readonly #stop: (reason: End) => void;
  #inTurn: LiveSession | null = null;
  #over: Deferred<void> | null = null;
  #frozen: LiveSession | null = null;
  #last: Promise<unknown> = Promise.resolve();
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
  begin(cause: string): Promise<boolean> {
    return this.#next(async () => {
      const live = this.#inTurn;
      if (!live?.canFreeze) return false;
      this.#over = deferred();
      this.cancel();
      try {
        await live.freeze(cause);
        this.#frozen = live;
        return true;
      } catch (error) {
        this.#stop({
          type: 'park',
          cause: `${cause}; it could not be frozen (${wordsOf(error)}): its program was ended, its conversation is kept`,
        });
        return false;
      }
    });
  }

  /** Its program goes on, or it is told to end, with the cause. */
  end(cause: string): Promise<void> {
    return this.#next(async () => {
      if (this.#frozen === null) return;
      try {
        await this.#frozen.thaw(cause);
      } catch (error) {
        const words = `its frozen program did not go on (${wordsOf(error)}): a new one takes its place`;
        return this.#stop({ type: 'park', cause: `${cause}; ${words}` });
      }
      this.#frozen = null;
      this.#arm();
      this.#over?.resolve();
      this.#over = null;
    });
  }

  /** One after the other: a pause may come while the resume before it is still under way. */
  #next<T>(act: () => Promise<T>): Promise<T> {
    const next = this.#last.then(act);
    this.#last = next.catch(() => undefined);
    return next;
  }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
