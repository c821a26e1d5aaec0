import { join } from 'node:path';
import { expect, it } from 'vitest';
import { codeOf, temporaryHome } from '../../test/support/store.ts';
import { Connection } from './connection.ts';

// No test here can cut the power: that a commit survives it rests on these settings (https://sqlite.org/pragma.html).
it('makes every commit durable, checks references and gives up on a lock in bounded time', async () => {
  await using home = await temporaryHome();
  const connection = new Connection(join(home.dir, 'gantry.db'), {});
  connection.prepareToWrite();
  const settings = ['synchronous', 'foreign_keys', 'busy_timeout', 'auto_vacuum'].map((name) => [
    name,
    connection.number(`PRAGMA ${name}`),
  ]);
  const mode = connection.get('PRAGMA journal_mode');
  connection.close();
  // 2 = FULL; 2 = INCREMENTAL.
  expect(Object.fromEntries(settings)).toEqual({
    synchronous: 2,
    foreign_keys: 1,
    busy_timeout: 5_000,
    auto_vacuum: 2,
  });
  expect(mode).toMatchObject({ journal_mode: 'wal' });
});

it('says by name what SQLite refused', async () => {
  await using home = await temporaryHome();
  const connection = new Connection(join(home.dir, 'gantry.db'), {});
  expect(codeOf(() => connection.run('SELECT * FROM nowhere'))).toBe('internal');
  expect(() => connection.run('SELECT * FROM nowhere')).toThrow(/gantry\.db: SQLite refused \(SQLite 1: no such table/);
  connection.close();
});
