import { type ShallowRef, shallowRef } from 'vue';
import type { Fact } from '../../src/contract/fact.ts';

/** What the page keeps of the journal's end, for pages that are opened later; text on its way is left out. */
const KEPT = 2_000;
/** ms: the rate in the header is of this window. */
const RATE_WINDOW_MS = 10_000;

/** The newest facts that came over the connection, and how many come. */
export class RecentFacts {
  /** Facts in all that the page has taken since it was opened. */
  readonly count: ShallowRef<number> = shallowRef(0);
  #facts: Fact[] = [];
  #from = 0;
  #arrivals: { readonly at: number; readonly count: number }[] = [];

  /** A new snapshot: what was before it is not known to be complete. */
  reset(seq: number): void {
    this.#facts = [];
    this.#from = seq;
  }

  add(facts: readonly Fact[]): void {
    this.count.value += facts.length;
    const now = Date.now();
    this.#arrivals = [
      ...this.#arrivals.filter(({ at }) => at > now - RATE_WINDOW_MS),
      { at: now, count: facts.length },
    ];
    for (const fact of facts) if (isShown(fact)) this.#facts.push(fact);
    if (this.#facts.length <= 2 * KEPT) return;
    this.#facts = this.#facts.slice(-KEPT);
    this.#from = (this.#facts[0]?.seq ?? 1) - 1;
  }

  /** Every fact after `from` that came so far, text on its way excepted. */
  get facts(): readonly Fact[] {
    return this.#facts;
  }

  get from(): number {
    return this.#from;
  }

  /** Facts per second. */
  rate(now: number): number {
    const recent = this.#arrivals.filter(({ at }) => at > now - RATE_WINDOW_MS);
    return recent.reduce((sum, { count }) => sum + count, 0) / (RATE_WINDOW_MS / 1000);
  }
}

/** Text on its way is replaced by the whole text. */
export const isShown = ({ kind }: Fact): boolean => kind !== 'text.delta' && kind !== 'reasoning.delta';
