import { constants, DatabaseSync } from 'node:sqlite';
import { AppError } from '../contract/errors.ts';

/** A program that writes holds a lock for milliseconds; reading waits no longer, since it holds up the daemon. */
const BUSY_LIMIT_MS = 500;
const SQLITE_BUSY = 5;

/**
 * Opens another program's database for reading, calls `use`, and closes it: a long reader would hold up its checkpoints.
 * Only the tables of `allowed` can be read, whatever is asked: SQLite itself refuses the others.
 * @throws AppError `store_locked`, `store_corrupt`
 */
export function reading<T>(file: string, allowed: ReadonlySet<string>, use: (db: DatabaseSync) => T): T {
  try {
    using db = new Closing(file);
    db.inner.exec('PRAGMA query_only = 1');
    db.inner.setAuthorizer((action, table) => {
      switch (action) {
        case constants.SQLITE_SELECT:
        case constants.SQLITE_FUNCTION:
        case constants.SQLITE_TRANSACTION:
          return constants.SQLITE_OK;
        case constants.SQLITE_READ:
          return table !== null && allowed.has(table) ? constants.SQLITE_OK : constants.SQLITE_DENY;
        default:
          return constants.SQLITE_DENY;
      }
    });
    return use(db.inner);
  } catch (error) {
    throw toReadError(file, error);
  }
}

/** The columns of a table; empty if there is no such table. */
export const columnsOf = (file: string, tables: readonly string[]): ReadonlyMap<string, ReadonlySet<string>> => {
  try {
    using db = new Closing(file);
    const statement = db.inner.prepare('SELECT name FROM pragma_table_info(?)');
    return new Map(tables.map((table) => [table, new Set(statement.all(table).map(({ name }) => String(name)))]));
  } catch (error) {
    throw toReadError(file, error);
  }
};

class Closing {
  readonly inner: DatabaseSync;

  constructor(file: string) {
    this.inner = new DatabaseSync(file, { readOnly: true, timeout: BUSY_LIMIT_MS });
  }

  [Symbol.dispose](): void {
    this.inner.close();
  }
}

function toReadError(file: string, error: unknown): unknown {
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown };
  if (code !== 'ERR_SQLITE_ERROR' || typeof errcode !== 'number') return error;
  // The lower byte is the code, the rest says more of it.
  const isBusy = (errcode & 0xff) === SQLITE_BUSY;
  const words = error instanceof Error ? error.message : String(error);
  return isBusy
    ? new AppError('store_locked', `${file} is locked by another program`, { cause: error })
    : new AppError('store_corrupt', `${file} cannot be read: ${words}`, { cause: error });
}

/** Whether a database has all of these columns, by table. */
export const hasAll = (
  found: ReadonlyMap<string, ReadonlySet<string>>,
  needed: Readonly<Record<string, readonly string[]>>,
): boolean =>
  Object.entries(needed).every(([table, columns]) => columns.every((column) => found.get(table)?.has(column)));

/** Columns to select: of those that this version has not, nothing. */
export const selected = (columns: readonly string[], found: ReadonlySet<string> | undefined): string =>
  columns.map((column) => (found?.has(column) ? column : `NULL AS ${column}`)).join(', ');

/** As `reading`; a throw inside becomes a rejection. */
export const readerOf =
  (file: string, allowed: ReadonlySet<string>) =>
  <T>(use: (db: DatabaseSync) => T): Promise<T> =>
    Promise.resolve().then(() => reading(file, allowed, use));
