import type { Fact, FactClass, FactKind, FactSubject, StreamMessage } from '../contract/fact.ts';

/** Which facts: all that is named must hold. */
export type FactFilter = { readonly kinds?: readonly FactKind[]; readonly classes?: readonly FactClass[] } & {
  readonly [K in keyof FactSubject]?: NonNullable<FactSubject[K]>;
};

/** The journal as the stream reads it. */
export type JournalReader = {
  /** The position of the newest fact; 0 before the first. */
  readonly head: () => number;
  /**
   * Facts after `cursor`, oldest first. `next` is the cursor of the next page: a page may be short before the head.
   * Up to `prunedTo` facts are missing.
   */
  readonly since: (
    cursor: number,
    options: FactFilter & { readonly limit: number },
  ) => { readonly facts: readonly Fact[]; readonly next: number; readonly prunedTo: number };
  /** The newest `n`, oldest of them first. */
  readonly recent: (n: number, filter: FactFilter) => readonly Fact[];
};

/** A message ready to be sent, encoded once for all of its readers. */
export class Frame {
  /** The position of a reader that has it. */
  readonly seq: number;
  readonly json: Buffer;
  readonly #type: StreamMessage['type'];
  #event: Buffer | null = null;

  constructor(message: StreamMessage, seq: number) {
    this.seq = seq;
    this.json = Buffer.from(JSON.stringify(message));
    this.#type = message.type;
  }

  /** As a server-sent event. */
  get event(): Buffer {
    const head = `id: ${this.seq}\nevent: ${this.#type}\ndata: `;
    this.#event ??= Buffer.concat([Buffer.from(head), this.json, Buffer.from('\n\n')]);
    return this.#event;
  }
}

export type FramePage = { readonly frames: readonly Frame[]; readonly next: number; readonly prunedTo: number };

/** Live readers with the same filter stand at the same position: few pages serve all of them. */
const MAX_SHARED = 16;
const MAX_SHARED_BYTES = 500_000;

/** Reads the journal in pages; readers that wait at the same position share the reading and the encoding. */
export class FactPages {
  readonly #journal: JournalReader;
  readonly #shared = new Map<string, FramePage>();
  #sharedHead = -1;

  constructor(journal: JournalReader) {
    this.#journal = journal;
  }

  head(): number {
    return this.#journal.head();
  }

  after(cursor: number, filter: FactFilter, { head, limit }: { head: number; limit: number }): FramePage {
    if (head !== this.#sharedHead) {
      this.#shared.clear();
      this.#sharedHead = head;
    }
    const key = `${cursor} ${JSON.stringify(filter)}`;
    const shared = this.#shared.get(key);
    if (shared) return shared;
    const { facts, next, prunedTo } = this.#journal.since(cursor, { ...filter, limit });
    const page = { frames: facts.map((fact) => new Frame({ type: 'fact', fact }, fact.seq)), next, prunedTo };
    const isShared = next === head && this.#shared.size < MAX_SHARED && bytesOf(page) < MAX_SHARED_BYTES;
    if (isShared) this.#shared.set(key, page);
    return page;
  }
}

const bytesOf = ({ frames }: FramePage): number => frames.reduce((sum, { json }) => sum + json.length, 0);
