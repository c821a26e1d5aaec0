import { deferred, within } from '../../src/base/wait.ts';
import type { Client } from '../../src/client/client.ts';
import type { Fact } from '../../src/contract/fact.ts';
import { emptyView, fold, type View } from '../../src/contract/fold.ts';

/** A failure bound, never the thing measured. */
export const LIMIT_MS = 120_000;

/** Reads the journal of a daemon from its beginning, over restarts, and lets a test wait for what it tells. */
export class JournalWatch {
  readonly facts: Fact[] = [];
  readonly view: View = emptyView();
  readonly #waiting = new Set<() => void>();
  #reading: { readonly abort: AbortController; readonly over: Promise<void> } | null = null;
  #fault: Error | null = null;

  /** Nothing up to `since` is seen. */
  constructor(since = 0) {
    this.view.seq = since;
  }

  /** Goes on after the last fact that was seen. */
  follow(client: Client): void {
    const abort = new AbortController();
    this.#reading = { abort, over: this.#read(client, abort.signal) };
  }

  /** The daemon is about to end. */
  async pause(): Promise<void> {
    this.#reading?.abort.abort();
    await this.#reading?.over;
    this.#reading = null;
  }

  /** Asks `check` after every fact until it answers. */
  async until<T>(
    what: string,
    check: (view: View, facts: readonly Fact[]) => T | null | undefined | false,
  ): Promise<T> {
    const found = deferred<T>();
    const look = (): void => {
      const answer = check(this.view, this.facts);
      if (this.#fault) found.reject(this.#fault);
      if (answer) found.resolve(answer);
    };
    this.#waiting.add(look);
    look();
    try {
      return await within(found.promise, LIMIT_MS, () => {
        return new Error(
          `not seen within ${LIMIT_MS / 1000} s: ${what}\n${this.facts.slice(-40).map(lineOf).join('\n')}`,
        );
      });
    } finally {
      this.#waiting.delete(look);
    }
  }

  async #read(client: Client, signal: AbortSignal): Promise<void> {
    try {
      for await (const fact of client.facts({ since: this.view.seq, signal })) {
        this.facts.push(fact);
        fold(this.view, fact);
        for (const look of this.#waiting) look();
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#fault = error instanceof Error ? error : new Error(String(error));
      for (const look of this.#waiting) look();
    }
  }
}

/** A fact as a failed wait shows it. */
export function lineOf(fact: Fact): string {
  const data =
    'row' in fact.data
      ? `${fact.data.row.id} ${fact.data.from} → ${fact.data.to} ${fact.data.cause ?? ''}`
      : JSON.stringify(fact.data);
  return `${fact.seq} ${fact.kind} ${data.slice(0, 240)}`;
}
