/** A message ready to be sent, encoded once for all of its readers. */
export class Frame {
  /** The position of a reader that has it. */
  readonly seq: number;
  /** As a message of a WebSocket: head and text, as they go over the wire. */
  readonly message: Buffer;
  readonly #textAt: number;
  readonly #type: string;
  #event: Buffer | null = null;

  constructor(type: string, json: string, seq: number) {
    this.seq = seq;
    const length = Buffer.byteLength(json);
    this.#textAt = length < 126 ? 2 : length < 65_536 ? 4 : 10;
    this.message = Buffer.allocUnsafe(this.#textAt + length);
    writeHead(this.message, length);
    this.message.write(json, this.#textAt);
    this.#type = type;
  }

  /** As a server-sent event. */
  get event(): Buffer {
    const head = `id: ${this.seq}\nevent: ${this.#type}\ndata: `;
    this.#event ??= Buffer.concat([Buffer.from(head), this.message.subarray(this.#textAt), Buffer.from('\n\n')]);
    return this.#event;
  }
}

/** Of one whole text message, not masked, as a server sends it (RFC 6455 section 5.2). */
function writeHead(message: Buffer, length: number): void {
  message[0] = 0x81;
  if (length < 126) message[1] = length;
  else if (length < 65_536) {
    message[1] = 126;
    message.writeUInt16BE(length, 2);
  } else {
    message[1] = 127;
    message.writeBigUInt64BE(BigInt(length), 2);
  }
}

/** `next` is the cursor of the next page; up to `prunedTo` things are missing. */
export type FramePage = { readonly frames: readonly Frame[]; readonly next: number; readonly prunedTo: number };

/** What a reader follows: a part of the journal, in the words of its protocol. */
export type FrameSource = {
  /** The newest position; 0 before the first. */
  readonly head: () => number;
  readonly after: (cursor: number, at: { readonly head: number; readonly limit: number }) => FramePage;
  /** Says that everything up to `seq` was sent; null if the protocol has no word for it. */
  readonly live: (seq: number) => Frame | null;
  /**
   * Says that things after `after` are left out: up to `prunedTo`, because they are no longer kept, else (null) because
   * the reader was too slow. It goes on from the frame's position. Null: its connection is ended instead.
   */
  readonly gap: (after: number, at: { readonly head: number; readonly prunedTo: number | null }) => Frame | null;
};

/** Live readers with the same filter stand at the same position: few pages serve all of them. */
const MAX_SHARED = 16;
const MAX_SHARED_BYTES = 500_000;

/** Pages that end at the head, until the head moves. */
export class SharedPages {
  /** By the cursor that they begin after, then by filter. */
  readonly #pages = new Map<number, Map<string, FramePage>>();
  #count = 0;
  #head = -1;

  get(
    filter: string,
    { cursor, head }: { readonly cursor: number; readonly head: number },
    read: () => FramePage,
  ): FramePage {
    if (head !== this.#head) {
      this.#pages.clear();
      this.#count = 0;
      this.#head = head;
    }
    const here = this.#pages.get(cursor);
    const shared = here?.get(filter);
    if (shared) return shared;
    const page = read();
    if (page.next !== head || this.#count === MAX_SHARED || bytesOf(page) >= MAX_SHARED_BYTES) return page;
    this.#count += 1;
    if (here) here.set(filter, page);
    else this.#pages.set(cursor, new Map([[filter, page]]));
    return page;
  }
}

const bytesOf = ({ frames }: FramePage): number => frames.reduce((sum, { message }) => sum + message.length, 0);
