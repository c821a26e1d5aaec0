/** Keeps the beginning and the end of an output; the middle is counted and dropped. */
export class OutputBuffer {
  readonly #headBytes: number;
  readonly #tailBytes: number;
  #head: Buffer[] = [];
  #headSize = 0;
  #tail: Buffer[] = [];
  #tailSize = 0;
  #dropped = 0;

  constructor(headBytes: number, tailBytes: number) {
    this.#headBytes = headBytes;
    this.#tailBytes = tailBytes;
  }

  get isTruncated(): boolean {
    return this.#dropped > 0;
  }

  add(chunk: Buffer): void {
    const forHead = chunk.subarray(0, this.#headBytes - this.#headSize);
    if (forHead.length > 0) this.#head.push(forHead);
    this.#headSize += forHead.length;
    const forTail = chunk.subarray(forHead.length);
    if (forTail.length === 0) return;
    this.#tail.push(forTail);
    this.#tailSize += forTail.length;
    // A program that writes byte by byte must not cost an object per byte.
    if (this.#tailSize > 2 * this.#tailBytes || this.#tail.length > 1024) this.#cutTail();
  }

  /** As text; characters that a cut has halved become U+FFFD. `latin1` keeps every byte. */
  text(encoding: 'utf8' | 'latin1' = 'utf8'): string {
    this.#cutTail();
    const head = Buffer.concat(this.#head);
    const tail = Buffer.concat(this.#tail);
    if (!this.isTruncated) return Buffer.concat([head, tail]).toString(encoding);
    if (this.#headBytes === 0) return tail.toString(encoding);
    return `${head.toString(encoding)}\n[${this.#dropped} bytes left out]\n${tail.toString(encoding)}`;
  }

  #cutTail(): void {
    const whole = Buffer.concat(this.#tail);
    const excess = Math.max(0, whole.length - this.#tailBytes);
    // A copy: a slice would keep the whole.
    this.#tail = [Buffer.from(whole.subarray(excess))];
    this.#tailSize = whole.length - excess;
    this.#dropped += excess;
  }
}
