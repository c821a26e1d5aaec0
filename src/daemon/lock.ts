import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../contract/errors.ts';
import { readDaemonFile } from './daemon-file.ts';
import { makePrivateDirectory } from './private-file.ts';

/** SQLite's "another connection holds it" (https://sqlite.org/rescode.html#busy). */
const SQLITE_BUSY = 5;
/** Contenders touch the file for a moment before they are refused: the one that gets it waits for them. */
const TOUCH_LIMIT_MS = 250;

/**
 * Makes this process the only daemon of a home until `release`, or until it ends in whatever way: SQLite holds the
 * file by a lock of the operating system, so nothing stale can be left behind and nobody can take over a living one.
 * @throws AppError daemon_running, with the other's `url` and `pid` in `details` as far as they are known; bad_config for
 * a copy of a home whose daemon runs
 */
export function lockHome(home: string): { readonly release: () => void } {
  makePrivateDirectory(home);
  readDaemonFile(home);
  const file = join(home, 'daemon.lock');
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(file, { timeout: TOUCH_LIMIT_MS });
    // The empty transaction is never ended: nothing is written, the lock is all.
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    if ((error as { errcode?: unknown }).errcode !== SQLITE_BUSY) {
      throw new AppError('bad_config', `${file} cannot be locked: ${(error as Error).message}`, { cause: error });
    }
    const holder = readDaemonFile(home);
    const where = holder ? `runs at ${holder.url} (pid ${holder.pid})` : 'is starting or stopping';
    throw new AppError('daemon_running', `the daemon of ${home} ${where}`, {
      details: { home, url: holder?.url ?? null, pid: holder?.pid ?? null },
    });
  }
  const held = database;
  return { release: () => held.close() };
}
