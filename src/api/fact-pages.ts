import type { Fact, FactKind } from '../contract/fact.ts';
import type { RequestId } from '../contract/ids.ts';

export type FactFilter = { readonly kinds?: readonly FactKind[]; readonly requestId?: RequestId };

/** The journal as the stream reads it. */
export type JournalReader = {
  /** The position of the newest fact; 0 before the first. */
  readonly head: () => number;
  /** Facts after `cursor`, oldest first; `next` is the cursor of the next page; up to `prunedTo` facts are missing. */
  readonly since: (
    cursor: number,
    options: FactFilter & { readonly limit: number },
  ) => { readonly facts: readonly Fact[]; readonly next: number; readonly prunedTo: number };
};
