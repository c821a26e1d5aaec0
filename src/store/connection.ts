import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { AppError } from '../contract/errors.ts';
import { fromSqlite } from './failures.ts';

/** For tests: what a full disk or a foreign lock would do. */
export type StoreFaults = {
  /** Called with the open connection, to bound it (`PRAGMA max_page_count`) or to shorten its waiting. */
  readonly onOpen?: (exec: (sql: string) => void) => void;
  /** Asked before every COMMIT: an answer makes it fail like this, after which everything is rolled back. */
  readonly onCommit?: () => 'disk_full' | 'store_locked' | null;
};

export type SqlRow = Record<string, SQLInputValue>;

/** How long a write waits for another program's lock. The event loop stands still meanwhile. */
const BUSY_LIMIT_MS = 5_000;

// The log is brought into the database every 16 MB: four times the default, since every time waits for the disk, and a page
// that many commits change is then written once.
const PRAGMAS = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA temp_store = MEMORY;
  PRAGMA cache_size = -8000;
  PRAGMA wal_autocheckpoint = 4000;
  PRAGMA journal_size_limit = 67108864;
  PRAGMA trusted_schema = OFF;
`;

/** One connection with its prepared statements. Everything that SQLite throws leaves it as an AppError. */
export class Connection {
  readonly file: string;
  readonly #db: DatabaseSync;
  readonly #faults: StoreFaults;
  readonly #statements = new Map<string, StatementSync>();
  #isWriting = false;
  /** Something has failed in the transaction that is open: SQLite may have ended it. */
  #isDoubtful = false;
  #isPowerSafe = true;

  constructor(file: string, faults: StoreFaults) {
    this.file = file;
    this.#faults = faults;
    this.#db = this.#guarded(
      () => new DatabaseSync(file, { timeout: BUSY_LIMIT_MS, enableForeignKeyConstraints: true }),
    );
  }

  /** Makes the connection ready to write. */
  prepareToWrite(): void {
    // The layout of an empty database; on another one this would want a lock and change nothing.
    if (this.number('PRAGMA page_count') === 0) this.exec('PRAGMA auto_vacuum = INCREMENTAL');
    this.exec(PRAGMAS);
    this.#faults.onOpen?.((sql) => this.exec(sql));
  }

  /** Whether a transaction of this connection is open. */
  get isWriting(): boolean {
    return this.#isWriting;
  }

  /**
   * What the next transactions survive. `process`: the log is not flushed at every commit (WAL with NORMAL,
   * https://sqlite.org/pragma.html#pragma_synchronous), until one with `power` flushes it with everything before.
   */
  setDurability(durability: 'process' | 'power'): void {
    const isPowerSafe = durability === 'power';
    if (isPowerSafe === this.#isPowerSafe) return;
    this.exec(`PRAGMA synchronous = ${isPowerSafe ? 'FULL' : 'NORMAL'}`);
    this.#isPowerSafe = isPowerSafe;
  }

  exec(sql: string): void {
    this.#guarded(() => this.#db.exec(sql));
  }

  run(sql: string, ...values: SQLInputValue[]): { readonly changes: number; readonly rowid: number } {
    if (this.#isDoubtful && this.#isWriting && !this.#db.isTransaction) {
      // After a full disk SQLite has rolled back already: what is written now would be on its own.
      throw new AppError('internal', `${this.file}: the commit has failed, nothing can be added to it`);
    }
    const done = this.#guarded(() => this.#statement(sql).run(...values));
    return { changes: Number(done.changes), rowid: Number(done.lastInsertRowid) };
  }

  get(sql: string, ...values: SQLInputValue[]): SqlRow | undefined {
    return this.#guarded(() => this.#statement(sql).get(...values)) as SqlRow | undefined;
  }

  all(sql: string, ...values: SQLInputValue[]): SqlRow[] {
    return this.#guarded(() => this.#statement(sql).all(...values)) as SqlRow[];
  }

  /** Row by row, for answers that may be large. The caller reads it to its end or leaves the loop. */
  *iterate(sql: string, ...values: SQLInputValue[]): Generator<SqlRow, void, undefined> {
    try {
      yield* this.#statement(sql).iterate(...values) as Iterable<SqlRow>;
    } catch (error) {
      this.#isDoubtful = true;
      throw fromSqlite(error, this.file);
    }
  }

  /** The one number that a query answers with. */
  number(sql: string, ...values: SQLInputValue[]): number {
    return Number(Object.values(this.get(sql, ...values) ?? {})[0] ?? 0);
  }

  /** `fn` between BEGIN IMMEDIATE and COMMIT; whatever it throws takes everything back. */
  transaction<T>(fn: () => T): T {
    if (this.#isWriting) throw new AppError('internal', 'a commit was begun inside a commit');
    this.#guarded(() => this.#statement('BEGIN IMMEDIATE').run());
    this.#isWriting = true;
    this.#isDoubtful = false;
    try {
      const result = fn();
      if (isThenable(result)) throw new AppError('internal', 'the function of a commit may not be asynchronous');
      this.#fail();
      this.#guarded(() => this.#statement('COMMIT').run());
      return result;
    } catch (error) {
      this.#rollBack(error);
      throw error;
    } finally {
      this.#isWriting = false;
    }
  }

  #rollBack(cause: unknown): void {
    try {
      // SQLite itself rolls back after some errors (a full disk among them).
      if (this.#db.isTransaction) this.exec('ROLLBACK');
    } catch (error) {
      const both = new AggregateError([cause, error]);
      throw new AppError('internal', 'a failed commit could not be rolled back', { cause: both });
    }
  }

  close(): void {
    this.#statements.clear();
    this.#guarded(() => this.#db.close());
  }

  #guarded<T>(fn: () => T): T {
    try {
      return fn();
    } catch (error) {
      this.#isDoubtful = true;
      throw fromSqlite(error, this.file);
    }
  }

  #fail(): void {
    const code = this.#faults.onCommit?.() ?? null;
    if (code !== null) throw new AppError(code, `nothing was saved (injected: ${code})`);
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

const isThenable = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
