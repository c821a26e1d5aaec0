import type { Connection } from './connection.ts';

/** Sessions that a filter offers. */
const MAX_SESSIONS = 300;
/** Beyond it a name is kept with its events, but no filter offers it. */
const MAX_NAMES = 5_000;
/** How many of the newest events are looked at for sessions when the database is opened: about 50 ms. */
const MAX_LOOKED_AT = 20_000;

/** What filters over events offer, in memory: reading it costs nothing however many events there are. */
export class EventNames {
  readonly #connection: Connection;
  /** Each with the position of its last event. */
  #sources = new Map<string, number>();
  #types = new Map<string, number>();
  /** In the order of their last event, the newest last. */
  #sessions = new Map<string, number>();
  #json: string | null = null;
  /** Names were noted in the transaction that is open. */
  #isOpen = false;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#load();
  }

  /** The transaction has ended: after one that failed, names may be of no event. */
  settle(isWritten: boolean): void {
    if (this.#isOpen && !isWritten) this.#load();
    this.#isOpen = false;
  }

  #load(): void {
    const sqlOfNames = 'SELECT name, lastSeq FROM event_name WHERE kind = ?';
    const names = (kind: string): Map<string, number> =>
      new Map(this.#connection.all(sqlOfNames, kind).map(({ name, lastSeq }) => [String(name), Number(lastSeq)]));
    this.#sources = names('source');
    this.#types = names('type');
    const sql = `SELECT seq, data ->> '$.session_id' AS session FROM fact INDEXED BY fact_observed
      WHERE kind = 'observed' ORDER BY seq DESC LIMIT ?`;
    const newest = new Map<string, number>();
    for (const { seq, session } of this.#connection.iterate(sql, MAX_LOOKED_AT)) {
      if (!newest.has(String(session))) newest.set(String(session), Number(seq));
      if (newest.size === MAX_SESSIONS) break;
    }
    this.#sessions = new Map([...newest].reverse());
    this.#json = null;
  }

  /** Inside of the transaction that writes the event. */
  note({ source, type, session }: { source: string; type: string; session: string }, seq: number): void {
    this.#isOpen = true;
    this.#add(this.#sources, { kind: 'source', name: source, seq });
    this.#add(this.#types, { kind: 'type', name: type, seq });
    this.#sessions.delete(session);
    this.#sessions.set(session, seq);
    if (this.#sessions.size > MAX_SESSIONS) {
      for (const oldest of this.#sessions.keys()) {
        this.#sessions.delete(oldest);
        break;
      }
    }
    this.#json = null;
  }

  /** `{"source_apps":[…],"session_ids":[…],"hook_event_types":[…]}`: by name, sessions by their last event, newest first. */
  json(): string {
    this.#json ??= JSON.stringify({
      source_apps: [...this.#sources.keys()].sort(),
      session_ids: [...this.#sessions.keys()].reverse(),
      hook_event_types: [...this.#types.keys()].sort(),
    });
    return this.#json;
  }

  /**
   * Names of which no event is left are offered no longer; of the others it is written down how new they are, which costs
   * too much with every event.
   */
  forget(): void {
    const first = this.#connection.get(
      "SELECT min(seq) AS seq FROM fact INDEXED BY fact_observed WHERE kind = 'observed'",
    );
    const oldest = Number(first?.seq ?? Number.MAX_SAFE_INTEGER);
    const tables = { source: this.#sources, type: this.#types };
    this.#connection.transaction(() => {
      for (const [kind, names] of Object.entries(tables)) {
        for (const [name, seq] of names) {
          const sql = 'UPDATE event_name SET lastSeq = ?1 WHERE kind = ?2 AND name = ?3 AND lastSeq < ?1';
          if (seq >= oldest) this.#connection.run(sql, seq, kind, name);
        }
        this.#connection.run('DELETE FROM event_name WHERE kind = ? AND lastSeq < ?', kind, oldest);
      }
    });
    for (const names of [this.#sources, this.#types, this.#sessions]) {
      for (const [name, seq] of names) if (seq < oldest) names.delete(name);
    }
    this.#json = null;
  }

  #add(names: Map<string, number>, { kind, name, seq }: { kind: string; name: string; seq: number }): void {
    if (!names.has(name)) {
      if (names.size >= MAX_NAMES) return;
      const sql = 'INSERT OR REPLACE INTO event_name (kind, name, lastSeq) VALUES (?, ?, ?)';
      this.#connection.run(sql, kind, name, seq);
    }
    names.set(name, seq);
  }
}
