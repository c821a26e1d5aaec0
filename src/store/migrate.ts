import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../contract/errors.ts';
import type { Connection } from './connection.ts';
import { fromFileSystem } from './failures.ts';

type Migration = { readonly number: number; readonly name: string; readonly sql: string; readonly sha256: string };

const TABLE = `CREATE TABLE migration (
  number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, appliedAt INTEGER NOT NULL
) STRICT`;
const KEPT_BACKUPS = 3;
const BACKUP_NAME = /^gantry-\d+-before-\d{4}\.db$/;

/** The migrations of a directory, `0001_what.sql` and on, in order and without holes. */
export function readMigrations(directory: URL): Migration[] {
  const names = readdirSync(directory)
    .filter((name) => /^\d{4}_[\w-]+\.sql$/.test(name))
    .sort();
  return names.map((name, index) => {
    const number = Number(name.slice(0, 4));
    if (number !== index + 1) throw new AppError('internal', `migration ${index + 1} is missing before ${name}`);
    const sql = readFileSync(new URL(name, directory), 'utf8');
    return { number, name, sql, sha256: createHash('sha256').update(sql).digest('hex') };
  });
}

/**
 * Which migrations the database has yet to take. Only reads.
 * @throws AppError store_newer for one from a later Gantry; store_corrupt for another program's or an altered one
 */
export function pendingMigrations(connection: Connection, migrations: readonly Migration[]): Migration[] {
  const tables = connection.number("SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'");
  if (tables === 0) return [...migrations];
  if (connection.number("SELECT count(*) FROM sqlite_schema WHERE name = 'migration'") === 0) {
    throw new AppError('store_corrupt', `${connection.file} is not a database of Gantry`);
  }
  const applied = connection.all('SELECT number, name, sha256 FROM migration ORDER BY number');
  applied.forEach((row, index) => {
    const own = migrations[index];
    if (!own) {
      throw new AppError(
        'store_newer',
        `${connection.file} has the schema ${row.name}, this Gantry knows the first ${migrations.length}`,
      );
    }
    if (own.number !== row.number || own.sha256 !== row.sha256) {
      throw new AppError('store_corrupt', `${connection.file} was made by a ${row.name} that is not this Gantry's`);
    }
  });
  return migrations.slice(applied.length);
}

/** Applies what is pending, each in one transaction; a database with content is copied to `backups` first. */
export function migrate(
  connection: Connection,
  migrations: readonly Migration[],
  options: { readonly backups: string; readonly now: number },
): void {
  const [first] = pendingMigrations(connection, migrations);
  if (!first) return;
  if (first.number > 1) {
    backUp(connection, options.backups, `gantry-${options.now}-before-${first.name.slice(0, 4)}.db`);
  }
  for (;;) {
    const isDone = connection.transaction(() => {
      // Asked inside of the transaction: another opener may have been faster.
      const [next] = pendingMigrations(connection, migrations);
      if (!next) return true;
      if (next.number === 1) connection.exec(TABLE);
      connection.exec(next.sql);
      const { number, name, sha256 } = next;
      connection.run('INSERT INTO migration VALUES (?, ?, ?, ?)', number, name, sha256, options.now);
      return false;
    });
    if (isDone) return;
  }
}

function backUp(connection: Connection, directory: string, name: string): void {
  const file = join(directory, name);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    // VACUUM INTO takes an empty file: it is private from its first byte.
    writeFileSync(file, '', { mode: 0o600 });
    connection.run('VACUUM INTO ?', file);
    const fd = openSync(file, 'r');
    fsyncSync(fd);
    closeSync(fd);
  } catch (error) {
    rmSync(file, { force: true });
    throw fromFileSystem(error, file);
  }
  const old = readdirSync(directory)
    .filter((entry) => BACKUP_NAME.test(entry))
    .sort()
    .slice(0, -KEPT_BACKUPS);
  for (const entry of old) rmSync(join(directory, entry));
}
