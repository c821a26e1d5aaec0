import type { Connection } from './connection.ts';

/** Positions, neither end contained. */
export type Between = { readonly after: number; readonly before: number };

/**
 * Finds events by the time of their receipt without an index of its own: time grows with the position, but for the steps
 * where the clock was set back, which are kept.
 */
export class EventTimes {
  readonly #connection: Connection;
  /** Of the newest event; null if it has to be looked up. */
  #newest: number | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Inside of the transaction, after the event was written. */
  note(at: number, seq: number): void {
    this.#newest ??= this.#connection.number(
      "SELECT at FROM fact INDEXED BY fact_observed WHERE kind = 'observed' AND seq < ? ORDER BY seq DESC LIMIT 1",
      seq,
    );
    if (at < this.#newest) this.#connection.run('INSERT INTO event_step (seq) VALUES (?)', seq);
    this.#newest = at;
  }

  /** A transaction has failed: the newest event may be another. */
  reset(): void {
    this.#newest = null;
  }

  /** Steps before the oldest event that is left. */
  forget(): void {
    const sql = `DELETE FROM event_step WHERE seq <=
      coalesce((SELECT min(seq) FROM fact INDEXED BY fact_observed WHERE kind = 'observed'), 9e15)`;
    this.#connection.transaction(() => this.#connection.run(sql));
  }

  /** The narrowest range that holds every event that was received from `from` on and before `to`; in it may be others. */
  between(from: number, to: number): Between {
    const head = this.#connection.number("SELECT seq FROM sqlite_sequence WHERE name = 'fact'");
    const steps = this.#connection.all('SELECT seq FROM event_step ORDER BY seq').map(({ seq }) => Number(seq));
    const starts = [0, ...steps];
    let range = { after: head, before: 0 };
    for (const [i, start] of starts.entries()) {
      const end = starts[i + 1] ?? head + 1;
      const first = this.#firstFrom(from, start, end);
      const beyond = this.#firstFrom(to, first, end);
      if (first < beyond) range = { after: Math.min(range.after, first - 1), before: Math.max(range.before, beyond) };
    }
    return range;
  }

  /** The first position from `low` on, at most `high`, that only events of `at` or later follow. */
  #firstFrom(at: number, low: number, high: number): number {
    let [from, to] = [low, high];
    while (from < to) {
      const middle = Math.floor((from + to) / 2);
      const event = this.#connection.get(
        "SELECT seq, at FROM fact INDEXED BY fact_observed WHERE kind = 'observed' AND seq >= ? AND seq < ? ORDER BY seq LIMIT 1",
        middle,
        to,
      );
      if (event === undefined || Number(event.at) >= at) to = middle;
      else from = Number(event.seq) + 1;
    }
    return from;
  }
}
