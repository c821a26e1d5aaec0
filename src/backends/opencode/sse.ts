const NEWLINE = 0x0a;
const RETURN = 0x0d;
const DATA = 'data:';

/** A frame was longer than the bound; the stream must be opened anew. */
export class FrameTooLarge extends Error {}

/**
 * Cuts a byte stream of server-sent events into the data of its frames. A frame of more than `maxBytes` is never held:
 * it throws FrameTooLarge.
 */
export class SseFrames {
  readonly #maxBytes: number;
  #line: Uint8Array[] = [];
  #data: string[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The frames that this chunk completes, in their order. */
  *take(chunk: Uint8Array): Generator<string, void, undefined> {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      this.#keep(chunk.subarray(from, at));
      from = at + 1;
      const frame = this.#endLine();
      if (frame !== null) yield frame;
    }
    this.#keep(chunk.subarray(from));
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#bytes += bytes.length;
    if (this.#bytes > this.#maxBytes) throw new FrameTooLarge(`a frame is larger than ${this.#maxBytes} bytes`);
    this.#line.push(bytes);
  }

  #endLine(): string | null {
    const bytes = Buffer.concat(this.#line);
    this.#line = [];
    const line = bytes.toString('utf8', 0, bytes.at(-1) === RETURN ? bytes.length - 1 : bytes.length);
    if (line !== '') {
      if (line.startsWith(DATA)) this.#data.push(line.slice(line[DATA.length] === ' ' ? DATA.length + 1 : DATA.length));
      return null;
    }
    const frame = this.#data.length === 0 ? null : this.#data.join('\n');
    this.#data = [];
    this.#bytes = 0;
    return frame;
  }
}
