/** A bounded queue of one reader. What does not fit is counted, never silently lost: see `dropped`. */
export class Channel<T> implements AsyncIterable<T> {
  readonly #limit: number;
  #items: T[] = [];
  #isEnded = false;
  #wake: (() => void) | null = null;
  #dropped = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get size(): number {
    return this.#items.length;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** False if the channel is ended or full; a full channel counts the item as dropped. */
  push(item: T): boolean {
    if (this.#isEnded) return false;
    if (this.#items.length >= this.#limit) {
      this.#dropped += 1;
      return false;
    }
    this.#items.push(item);
    this.#notify();
    return true;
  }

  /** Like `push`, without the bound: for the one item that says how a stream ended. */
  pushLast(item: T): void {
    if (this.#isEnded) return;
    this.#items.push(item);
    this.end();
  }

  /** No more items come; what is queued is still read. */
  end(): void {
    this.#isEnded = true;
    this.#notify();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) {
        yield item;
      } else if (this.#isEnded) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
