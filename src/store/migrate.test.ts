import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { codeOf, openStore, seed, temporaryHome } from '../../test/support/store.ts';
import { Connection } from './connection.ts';
import { migrate, readMigrations } from './migrate.ts';

const FIRST = 'CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT);';
const SECOND = "ALTER TABLE thing ADD COLUMN size INTEGER NOT NULL DEFAULT 7; INSERT INTO thing (name) VALUES ('new');";

/** A database whose migrations are files that a test may write and change. */
async function workshop() {
  const home = await temporaryHome();
  const migrations = join(home.dir, 'migrations');
  await mkdir(migrations);
  const file = join(home.dir, 'gantry.db');
  return {
    dir: home.dir,
    write: (name: string, sql: string) => writeFile(join(migrations, name), sql),
    rename: (from: string, to: string) => rename(join(migrations, from), join(migrations, to)),
    backups: () => readdir(join(home.dir, 'backups')),
    migrate(now = 1_000_000_000_000): void {
      const connection = new Connection(file, {});
      try {
        connection.prepareToWrite();
        migrate(connection, readMigrations(pathToFileURL(`${migrations}/`)), {
          backups: join(home.dir, 'backups'),
          now,
        });
      } finally {
        connection.close();
      }
    },
    query(sql: string, from = file): unknown[] {
      const database = new DatabaseSync(from);
      const rows = database.prepare(sql).all();
      database.close();
      return rows.map((row) => ({ ...row }));
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

describe('migrate', () => {
  it('applies in order what is missing, once', async () => {
    await using shop = await workshop();
    await shop.write('0002_size.sql', SECOND);
    await shop.write('0001_initial.sql', FIRST);
    shop.migrate();
    shop.migrate();
    expect(shop.query('SELECT * FROM thing')).toEqual([{ id: 1, name: 'new', size: 7 }]);
    expect(shop.query('SELECT number, name, appliedAt FROM migration')).toEqual([
      { number: 1, name: '0001_initial.sql', appliedAt: 1_000_000_000_000 },
      { number: 2, name: '0002_size.sql', appliedAt: 1_000_000_000_000 },
    ]);
  });

  it('copies a database with content first, private, and keeps the three newest copies', async () => {
    await using shop = await workshop();
    await shop.write('0001_initial.sql', FIRST);
    shop.migrate();
    shop.query("INSERT INTO thing (name) VALUES ('old')");
    for (let n = 2; n <= 6; n += 1) {
      await shop.write(`000${n}_more.sql`, `CREATE TABLE more${n} (id INTEGER);`);
      shop.migrate(1_000_000_000_000 + n);
    }
    expect(await shop.backups()).toEqual([
      'gantry-1000000000004-before-0004.db',
      'gantry-1000000000005-before-0005.db',
      'gantry-1000000000006-before-0006.db',
    ]);
    const copy = join(shop.dir, 'backups', 'gantry-1000000000004-before-0004.db');
    expect((await stat(copy)).mode & 0o777).toBe(0o600);
    expect((await stat(join(shop.dir, 'backups'))).mode & 0o777).toBe(0o700);
    expect(shop.query('SELECT name FROM thing', copy)).toEqual([{ name: 'old' }]);
    expect(shop.query('SELECT max(number) AS n FROM migration', copy)).toEqual([{ n: 3 }]);
  });

  it('copies nothing when there is nothing to lose or nothing to do', async () => {
    await using shop = await workshop();
    await shop.write('0001_initial.sql', FIRST);
    shop.migrate();
    shop.migrate();
    await expect(shop.backups()).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('changes nothing when the copy cannot be made', async () => {
    await using shop = await workshop();
    await shop.write('0001_initial.sql', FIRST);
    shop.migrate();
    await shop.write('0002_size.sql', SECOND);
    await writeFile(join(shop.dir, 'backups'), 'in the way');
    expect(codeOf(() => shop.migrate())).toBe('internal');
    expect(shop.query('SELECT max(number) AS n FROM migration')).toEqual([{ n: 1 }]);
  });

  it('takes a failing migration back whole, and the next start tries again', async () => {
    await using shop = await workshop();
    await shop.write('0001_initial.sql', FIRST);
    shop.migrate();
    await shop.write('0002_size.sql', `${SECOND} INSERT INTO nowhere VALUES (1);`);
    expect(codeOf(() => shop.migrate())).toBe('internal');
    expect(shop.query('SELECT * FROM thing')).toEqual([]);
    expect(shop.query("SELECT name FROM pragma_table_info('thing')")).toEqual([{ name: 'id' }, { name: 'name' }]);
    await shop.write('0002_size.sql', SECOND);
    shop.migrate();
    expect(shop.query('SELECT size FROM thing')).toEqual([{ size: 7 }]);
  });

  it('refuses an applied migration that was changed or renamed to another number', async () => {
    await using shop = await workshop();
    await shop.write('0001_initial.sql', FIRST);
    shop.migrate();
    await shop.write('0001_initial.sql', `${FIRST} -- a small change`);
    expect(codeOf(() => shop.migrate())).toBe('store_corrupt');
  });

  it('refuses a database of a newer Gantry and leaves it as it is', async () => {
    await using shop = await workshop();
    await shop.write('0001_initial.sql', FIRST);
    await shop.write('0002_size.sql', SECOND);
    shop.migrate();
    await shop.rename('0002_size.sql', 'later.txt');
    expect(codeOf(() => shop.migrate())).toBe('store_newer');
    expect(shop.query('SELECT max(number) AS n FROM migration')).toEqual([{ n: 2 }]);
  });

  it('refuses a set of migrations with a hole', async () => {
    await using shop = await workshop();
    await shop.write('0001_initial.sql', FIRST);
    await shop.write('0003_size.sql', SECOND);
    expect(codeOf(() => shop.migrate())).toBe('internal');
  });
});

describe('open', () => {
  it('refuses a file that is no database, and does not touch it', async () => {
    await using home = await temporaryHome();
    const words = 'these are my notes, not a database. '.repeat(300);
    await writeFile(join(home.dir, 'gantry.db'), words);
    expect(codeOf(() => openStore(home.dir))).toBe('store_corrupt');
    expect(await readFile(join(home.dir, 'gantry.db'), 'utf8')).toBe(words);
  });

  it("refuses another program's database, and does not touch it", async () => {
    await using home = await temporaryHome();
    const file = join(home.dir, 'gantry.db');
    const foreign = new DatabaseSync(file);
    foreign.exec('CREATE TABLE bookmarks (url TEXT)');
    foreign.close();
    const before = await readFile(file);
    expect(codeOf(() => openStore(home.dir))).toBe('store_corrupt');
    expect(await readFile(file)).toEqual(before);
    expect(await readdir(home.dir)).toEqual(['gantry.db']);
  });

  it('refuses a database from a later release, and does not touch it', async () => {
    await using home = await temporaryHome();
    const file = join(home.dir, 'gantry.db');
    const store = openStore(home.dir);
    seed(store);
    await store.close();
    const later = new DatabaseSync(file);
    later.exec("INSERT INTO migration VALUES (9999, '9999_later.sql', 'x', 1)");
    later.close();
    const before = await readFile(file);
    expect(codeOf(() => openStore(home.dir))).toBe('store_newer');
    expect(await readFile(file)).toEqual(before);
  });

  it('says which file it is when the home cannot be made', async () => {
    await using home = await temporaryHome();
    await writeFile(join(home.dir, 'file'), '');
    expect(() => openStore(join(home.dir, 'file'))).toThrow(/file\/gantry\.db: /);
    expect(codeOf(() => openStore(join(home.dir, 'file')))).toBe('internal');
  });
});
