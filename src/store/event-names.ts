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
  #sources = new Set<string>();
  #types = new Set<string>();
  /** In the order of their last event, the newest last. */
  #sessions = new Set<string>();
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
    const names = (kind: string): Set<string> =>
      new Set(this.#connection.all('SELECT name FROM event_name WHERE kind = ?', kind).map(({ name }) => String(name)));
    this.#sources = names('source');
    this.#types = names('type');
    const sql = `SELECT data ->> '$.session_id' AS session FROM fact INDEXED BY fact_observed
      WHERE kind = 'observed' ORDER BY seq DESC LIMIT ?`;
    const newest = new Set<string>();
    for (const { session } of this.#connection.iterate(sql, MAX_LOOKED_AT)) {
      newest.add(String(session));
      if (newest.size === MAX_SESSIONS) break;
    }
    this.#sessions = new Set([...newest].reverse());
    this.#json = null;
  }

  /** Inside of the transaction that writes the event. */
  note(source: string, type: string, session: string): void {
    this.#isOpen = true;
    this.#add(this.#sources, 'source', source);
    this.#add(this.#types, 'type', type);
    this.#sessions.delete(session);
    this.#sessions.add(session);
    if (this.#sessions.size > MAX_SESSIONS) {
      for (const oldest of this.#sessions) {
        this.#sessions.delete(oldest);
        break;
      }
    }
    this.#json = null;
  }

  /** `{"source_apps":[…],"session_ids":[…],"hook_event_types":[…]}`: by name, sessions by their last event, newest first. */
  json(): string {
    this.#json ??= JSON.stringify({
      source_apps: [...this.#sources].sort(),
      session_ids: [...this.#sessions].reverse(),
      hook_event_types: [...this.#types].sort(),
    });
    return this.#json;
  }

  #add(names: Set<string>, kind: string, name: string): void {
    if (names.has(name) || names.size >= MAX_NAMES) return;
    this.#connection.run('INSERT OR IGNORE INTO event_name (kind, name) VALUES (?, ?)', kind, name);
    names.add(name);
  }
}
