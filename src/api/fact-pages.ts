import type { Fact, FactFilter, StreamMessage } from '../contract/fact.ts';
import { Frame, type FrameSource, SharedPages } from './frames.ts';

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
  /** The newest `n` of all that is kept, oldest of them first; `isCut` if there may be older ones. */
  readonly newest: (
    n: number,
    filter: FactFilter,
  ) => Promise<{ readonly facts: readonly Fact[]; readonly isCut: boolean }>;
};

/** Reads the journal in pages; readers that wait at the same position share the reading and the encoding. */
export class FactPages {
  readonly #journal: JournalReader;
  readonly #shared = new SharedPages();

  constructor(journal: JournalReader) {
    this.#journal = journal;
  }

  /** The facts that a reader wants. After a gap it takes a new view: it goes on at the head. */
  source(filter: FactFilter): FrameSource {
    const name = JSON.stringify(filter);
    const frame = (message: StreamMessage, seq: number): Frame => new Frame(message.type, JSON.stringify(message), seq);
    return {
      head: () => this.#journal.head(),
      after: (cursor, { head, limit }) =>
        this.#shared.get(name, { cursor, head }, () => {
          const { facts, next, prunedTo } = this.#journal.since(cursor, { ...filter, limit });
          return { frames: facts.map((fact) => frame({ type: 'fact', fact }, fact.seq)), next, prunedTo };
        }),
      live: (seq) => frame({ type: 'live', seq }, seq),
      gap: (after, { head, prunedTo }) => {
        const reason = prunedTo === null ? 'slow' : 'pruned';
        return frame({ type: 'gap', after, before: head + 1, reason }, head);
      },
    };
  }
}
