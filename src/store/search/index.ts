import { DatabaseSync } from 'node:sqlite';
import { PRUNED_TO } from '../meta.ts';
import { COLUMNS, indexedOf, type Subject } from './text.ts';

/** Raise it when what is indexed changes: the index is built anew. */
const VERSION = 2;
/** Facts in one transaction of the index. */
const BATCH = 500;
/** Positions that are looked through at once for what is gone. */
const FORGOTTEN = 500;
const KINDS = ['observed', 'text', 'reasoning', 'tool.started', 'tool.ended', 'turn.ended', 'notice'];

/** Where in the journal, neither end contained; `limit` of its newest or of its oldest. */
export type SearchRange = {
  readonly after?: number | undefined;
  readonly before?: number | undefined;
  readonly limit: number;
  readonly order?: 'newest' | 'oldest';
};

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = OFF;
  CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
`;
const EMPTY = `
  DELETE FROM state;
  DROP TABLE IF EXISTS facts;
  CREATE VIRTUAL TABLE facts USING fts5 (
    ${COLUMNS.join(', ')}, content = '', contentless_delete = 1, tokenize = 'unicode61'
  );
  INSERT INTO state (key, value) VALUES ('version', ${VERSION});
`;

/**
 * The full-text index over the texts of facts: a projection in a file of its own, which reads the journal from a cursor
 * and may be thrown away. It holds no text, only where words are.
 */
export class SearchIndex {
  readonly #journal: DatabaseSync;
  readonly #db: DatabaseSync;

  /** @throws what SQLite throws; a damaged file is to be removed */
  constructor(journalFile: string, file: string) {
    this.#journal = new DatabaseSync(journalFile, { readOnly: true, timeout: 5_000 });
    this.#db = new DatabaseSync(file, { timeout: 5_000 });
    try {
      this.#prepare();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #prepare(): void {
    this.#db.exec(SCHEMA);
    if (this.#state('version') === VERSION) return;
    this.#db.exec(`BEGIN IMMEDIATE; ${EMPTY} COMMIT`);
  }

  /** Up to which position facts are found. */
  get cursor(): number {
    return this.#state('cursor');
  }

  /** Takes in one batch of what is new; false if there was nothing. */
  step(): boolean {
    const from = this.cursor;
    const head = Number(this.#journal.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'fact'").get()?.seq ?? 0);
    if (from >= head) return false;
    const end = Math.min(head, from + BATCH);
    // Row by row: a batch of large facts is never all in memory.
    const rows = this.#journal
      .prepare(
        'SELECT seq, kind, projectId, taskId, agent, data FROM fact WHERE seq > ? AND seq <= ? AND kind IN (SELECT value FROM json_each(?))',
      )
      .iterate(from, end, JSON.stringify(KINDS));
    const marks = COLUMNS.map(() => '?').join(', ');
    const insert = this.#db.prepare(`INSERT INTO facts (rowid, ${COLUMNS.join(', ')}) VALUES (?, ${marks})`);
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      for (const { seq, kind, data, ...subject } of rows) {
        const values = indexedOf(String(kind), JSON.parse(String(data)), subject as Subject, (id, count) =>
          this.#chatPart(id, count),
        );
        insert.run(Number(seq), ...values);
      }
      this.#set('cursor', end);
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#rollBack();
      throw error;
    }
    return true;
  }

  /** Forgets one batch of what the journal has removed; false if there was nothing. */
  forget(): boolean {
    const from = this.#state('forgotten');
    const sql = 'SELECT CAST(value AS INTEGER) AS seq FROM meta WHERE key = ?';
    const prunedTo = Math.min(Number(this.#journal.prepare(sql).get(PRUNED_TO)?.seq ?? 0), this.cursor);
    if (from >= prunedTo) return false;
    const end = Math.min(prunedTo, from + FORGOTTEN);
    const isKept = this.#journal.prepare('SELECT 1 FROM fact WHERE seq = ?');
    const indexed = this.#db.prepare('SELECT id FROM facts_docsize WHERE id > ? AND id <= ?').all(from, end);
    const remove = this.#db.prepare('DELETE FROM facts WHERE rowid = ?');
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      for (const { id } of indexed) if (isKept.get(Number(id)) === undefined) remove.run(Number(id));
      this.#set('forgotten', end);
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#rollBack();
      throw error;
    }
    return true;
  }

  /** Positions of facts that match. `match` is an expression of FTS5. */
  find(match: string, { after = 0, before = Number.MAX_SAFE_INTEGER, limit, order = 'newest' }: SearchRange): number[] {
    const sql = `SELECT rowid FROM facts WHERE facts MATCH ? AND rowid > ? AND rowid < ?
      ORDER BY rowid ${order === 'newest' ? 'DESC' : 'ASC'} LIMIT ?`;
    return this.#db
      .prepare(sql)
      .all(match, after, before, limit)
      .map(({ rowid }) => Number(rowid));
  }

  close(): void {
    this.#db.close();
    this.#journal.close();
  }

  /** SQLite itself has done it after some errors, a full disk among them. */
  #rollBack(): void {
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  /** The messages that came new with an event: the others were found with an earlier one. */
  #chatPart(id: number, count: number): string {
    const sql = 'SELECT messages FROM chat_part WHERE chatId = ? AND last = ?';
    return String(this.#journal.prepare(sql).get(id, count)?.messages ?? '');
  }

  #state(key: string): number {
    return Number(this.#db.prepare('SELECT value FROM state WHERE key = ?').get(key)?.value ?? 0);
  }

  #set(key: string, value: number): void {
    this.#db.prepare('INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)').run(key, value);
  }
}
