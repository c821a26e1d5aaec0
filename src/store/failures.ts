import { AppError, type ErrorCode } from '../contract/errors.ts';

/** Primary result codes of SQLite and the extended ones that mean something else (https://sqlite.org/rescode.html). */
const BUSY = 5;
const LOCKED = 6;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const NOTADB = 26;
const CONSTRAINT_FOREIGNKEY = 787;
const CONSTRAINT_PRIMARYKEY = 1555;
const CONSTRAINT_UNIQUE = 2067;
const IOERR_SHMSIZE = 4874;

const PUBLIC: Readonly<Record<number, ErrorCode>> = {
  [BUSY]: 'store_locked',
  [LOCKED]: 'store_locked',
  [CORRUPT]: 'store_corrupt',
  [NOTADB]: 'store_corrupt',
  [FULL]: 'disk_full',
  // The shared memory file of the WAL could not grow.
  [IOERR_SHMSIZE]: 'disk_full',
  [CONSTRAINT_PRIMARYKEY]: 'conflict',
  [CONSTRAINT_UNIQUE]: 'conflict',
  [CONSTRAINT_FOREIGNKEY]: 'not_found',
};

const WORDS: Partial<Readonly<Record<ErrorCode, string>>> = {
  disk_full: 'the disk is full, nothing of this was saved',
  store_locked: 'another program holds the database, nothing of this was saved',
  store_corrupt: 'the database file is damaged',
  conflict: 'something with this name or id is there already',
  not_found: 'it belongs to something that is not there',
};

/** What `node:sqlite` threw over `file` as an AppError, by its result code; anything else comes back as it is. */
export function fromSqlite(thrown: unknown, file: string): unknown {
  if (!(thrown instanceof Error)) return thrown;
  if ('code' in thrown && thrown.code === 'ERR_INVALID_STATE') {
    return new AppError('internal', `${file}: ${thrown.message}`, { cause: thrown });
  }
  if (!('errcode' in thrown) || typeof thrown.errcode !== 'number') return thrown;
  const primary = thrown.errcode & 0xff;
  const code = PUBLIC[thrown.errcode] ?? PUBLIC[primary] ?? 'internal';
  const words = WORDS[code] ?? (primary === IOERR ? 'reading or writing failed' : 'SQLite refused');
  return new AppError(code, `${file}: ${words} (SQLite ${thrown.errcode}: ${thrown.message})`, { cause: thrown });
}

/** What the file system threw over `file` as an AppError. */
export function fromFileSystem(thrown: unknown, file: string): AppError {
  if (thrown instanceof AppError) return thrown;
  const { code, message } = thrown as NodeJS.ErrnoException;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new AppError(isFull ? 'disk_full' : 'internal', `${file}: ${message}`, { cause: thrown });
}
