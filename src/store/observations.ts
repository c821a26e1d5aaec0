import { type Deferred, deferred } from '../base/wait.ts';
import { AppError, toAppError } from '../contract/errors.ts';

/** What may wait for the end of one turn of the event loop. */
const MAX_WAITING = 20_000;
const MAX_WAITING_LENGTH = 32_000_000;

/** Something to be made durable: `length` is about what it holds of memory, UTF-16 units. */
export type Observed = {
  readonly length: number;
  readonly append: () => number;
  readonly isState: boolean;
  /** Of an outside program. */
  readonly isEvent: boolean;
};

/** Where all of one call were put, and the last position that was given till then, if any was. */
type Written = { readonly positions: readonly number[]; readonly last: number | null };

type Waiting = { readonly items: readonly Observed[]; readonly written: Deferred<Written> };

/**
 * Group commit: everything observed in one turn of the event loop goes into one transaction, so that the cost of
 * making it durable is shared. Nobody waits for a timer.
 */
export class Observations {
  readonly #write: (items: readonly Observed[]) => readonly number[];
  #waiting: Waiting[] = [];
  #count = 0;
  #length = 0;
  #timer: NodeJS.Immediate | null = null;

  /** `write` makes things durable, all or none, and says where. */
  constructor(write: (items: readonly Observed[]) => readonly number[]) {
    this.#write = write;
  }

  /**
   * Resolves with the positions of `items` when all are durable.
   * @throws AppError overloaded (rejects) if too much waits already
   */
  add(items: readonly Observed[]): Promise<Written> {
    const length = items.reduce((sum, item) => sum + item.length, 0);
    if (this.#count + items.length > MAX_WAITING || this.#length + length > MAX_WAITING_LENGTH) {
      const limit = `${MAX_WAITING} facts or ${MAX_WAITING_LENGTH} characters`;
      return Promise.reject(new AppError('overloaded', `more was observed at once than ${limit}`));
    }
    const written = deferred<Written>();
    this.#waiting.push({ items, written });
    this.#count += items.length;
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
      const items = waiting.length === 1 && waiting[0] ? waiting[0].items : waiting.flatMap((one) => one.items);
      const positions = this.#write(items);
      let from = 0;
      for (const { items, written } of waiting) {
        const own = positions.slice(from, from + items.length);
        from += items.length;
        written.resolve({ positions: own, last: positions[from - 1] ?? null });
      }
    } catch (error) {
      const failure = toAppError(error);
      for (const { written } of waiting) written.reject(failure);
    }
  }
}
