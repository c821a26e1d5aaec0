import { type Deferred, deferred } from '../base/wait.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import type { EncodedFact } from './facts.ts';

/** What may wait for the end of one turn of the event loop. */
const MAX_WAITING = 20_000;
const MAX_WAITING_LENGTH = 32_000_000;

type Waiting = { readonly facts: readonly EncodedFact[]; readonly written: Deferred<number> };

/**
 * Group commit: everything observed in one turn of the event loop goes into one transaction, so that the cost of
 * making it durable is shared. Nobody waits for a timer.
 */
export class Observations {
  readonly #write: (facts: readonly EncodedFact[]) => number;
  #waiting: Waiting[] = [];
  #count = 0;
  #length = 0;
  #timer: NodeJS.Immediate | null = null;

  /** `write` makes facts durable, all or none, and answers with the last position. */
  constructor(write: (facts: readonly EncodedFact[]) => number) {
    this.#write = write;
  }

  /**
   * Resolves with the position of the last of `facts` when all are durable.
   * @throws AppError overloaded (rejects) if too much waits already
   */
  add(facts: readonly EncodedFact[]): Promise<number> {
    const length = facts.reduce((sum, fact) => sum + fact.json.length, 0);
    if (this.#count + facts.length > MAX_WAITING || this.#length + length > MAX_WAITING_LENGTH) {
      const limit = `${MAX_WAITING} facts or ${MAX_WAITING_LENGTH} characters`;
      return Promise.reject(new AppError('overloaded', `more was observed at once than ${limit}`));
    }
    const written = deferred<number>();
    this.#waiting.push({ facts, written });
    this.#count += facts.length;
    this.#length += length;
    this.#timer ??= setImmediate(() => this.flush());
    return written.promise;
  }

  /** Writes what waits now. A failure goes to those who observed, and to nobody else. */
  flush(): void {
    if (this.#timer !== null) clearImmediate(this.#timer);
    this.#timer = null;
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    this.#count = 0;
    this.#length = 0;
    try {
      let end = this.#write(waiting.flatMap((one) => one.facts));
      for (const { facts, written } of waiting.toReversed()) {
        written.resolve(end);
        end -= facts.length;
      }
    } catch (error) {
      const failure = toAppError(error);
      for (const { written } of waiting) written.reject(failure);
    }
  }
}
