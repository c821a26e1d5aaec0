/** A message ready to be sent, encoded once for all of its readers. */
export class Frame {
  /** The position of a reader that has it. */
  readonly seq: number;
  readonly json: Buffer;
  readonly #type: string;
  #event: Buffer | null = null;

  constructor(type: string, json: string, seq: number) {
    this.seq = seq;
    this.json = Buffer.from(json);
    this.#type = type;
  }

  /** As a server-sent event. */
  get event(): Buffer {
    const head = `id: ${this.seq}\nevent: ${this.#type}\ndata: `;
    this.#event ??= Buffer.concat([Buffer.from(head), this.json, Buffer.from('\n\n')]);
    return this.#event;
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
  readonly #pages = new Map<string, FramePage>();
  #head = -1;

  get(key: string, head: number, read: () => FramePage): FramePage {
    if (head !== this.#head) {
      this.#pages.clear();
      this.#head = head;
    }
    const shared = this.#pages.get(key);
    if (shared) return shared;
    const page = read();
    const isShared = page.next === head && this.#pages.size < MAX_SHARED && bytesOf(page) < MAX_SHARED_BYTES;
    if (isShared) this.#pages.set(key, page);
    return page;
  }
}

const bytesOf = ({ frames }: FramePage): number => frames.reduce((sum, { json }) => sum + json.length, 0);
