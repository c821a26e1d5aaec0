import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import { readDaemonFile } from '../../src/daemon/daemon-file.ts';
import { endDaemon } from '../../src/daemon/spawn-daemon.ts';
import { readAdminToken } from '../../src/daemon/tokens-file.ts';
import { gantry as runGantry } from '../support/cli.ts';
import { type TempDir, tempDir } from '../support/temp.ts';

let dir: TempDir;
let home: string;
let file: string;

beforeAll(async () => {
  dir = await tempDir();
  home = dir.path;
  writeFileSync(join(home, 'config.jsonc'), '{ "server": { "port": 0 } }');
  file = join(home, 'events.db');
  using db = open();
  db.exec(`CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, source_app TEXT NOT NULL, session_id TEXT NOT NULL,
    hook_event_type TEXT NOT NULL, payload TEXT NOT NULL, chat TEXT, summary TEXT, timestamp INTEGER NOT NULL,
    humanInTheLoop TEXT, humanInTheLoopStatus TEXT, model_name TEXT)`);
});
afterAll(async () => {
  await endDaemon(home, { graceMs: 5_000 });
  await dir[Symbol.asyncDispose]();
});

function open(): DatabaseSync & Disposable {
  const db = new DatabaseSync(file);
  return Object.assign(db, { [Symbol.dispose]: () => db.close() });
}

function insert(row: Record<string, string | number | null>): void {
  using db = open();
  const all = { source_app: 'old', session_id: 's', hook_event_type: 'Stop', payload: '{}', timestamp: 1, ...row };
  const names = Object.keys(all);
  db.prepare(`INSERT INTO events (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`).run(
    ...Object.values(all),
  );
}

const gantry = (...args: string[]) => runGantry(args, { home });

async function imported(): Promise<Record<string, unknown>[]> {
  const client = createClient({ url: readDaemonFile(home)?.url ?? '', token: readAdminToken(home) ?? '' });
  const { items } = await client.call('facts.list', { kind: 'observed', recent: 1_000 });
  return items.map(({ data }) => data as Record<string, unknown>);
}

describe('gantry import events', () => {
  it('takes every event once and in order, names what is damaged, and writes nothing to the file', async () => {
    const secret = `sk-ant-${'a1'.repeat(24)}`;
    insert({ payload: JSON.stringify({ key: secret }), summary: 'first', model_name: 'm', chat: '[{"role":"user"}]' });
    insert({ payload: '{"broken"', session_id: 'damaged' });
    insert({ timestamp: '1700000000000.5' });
    insert({ payload: '[]' });
    insert({
      humanInTheLoop: '{"question":"Go?","type":"permission","responseWebSocketUrl":"ws://example.com"}',
      humanInTheLoopStatus: '{"status":"pending"}',
    });
    insert({ timestamp: 'yesterday' });
    const before = [
      createHash('sha256').update(readFileSync(file)).digest('hex'),
      readdirSync(home).includes('events.db-wal'),
    ];

    expect(await gantry('import', 'events', file, '--dry-run')).toMatchObject({
      code: 0,
      stdout: '6 to be imported\n',
    });
    const { code, stdout } = await gantry('import', 'events', file, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      accepted: 3,
      refused: 3,
      named: [
        { id: 2, reason: 'payload is not JSON' },
        { id: 4, reason: expect.stringContaining('payload: expected an object') },
        { id: 6, reason: expect.stringContaining('timestamp: expected milliseconds') },
      ],
    });
    const events = await imported();
    expect(events.map(({ imported_from: from }) => (from as { id: number }).id)).toEqual([1, 3, 5]);
    expect(events[0]).toMatchObject({ source_app: 'old', summary: 'first', model_name: 'm' });
    expect(events[1]).toMatchObject({ timestamp: 1700000000001 });
    expect(events[2]).toMatchObject({ past_question: { asked: { question: 'Go?' }, status: { status: 'pending' } } });
    expect(JSON.stringify(events)).not.toContain(secret);
    expect((await gantry('approvals')).stdout).not.toContain('Go?');
    expect([
      createHash('sha256').update(readFileSync(file)).digest('hex'),
      readdirSync(home).includes('events.db-wal'),
    ]).toEqual(before);
  });

  it('imports only what is new the next time, though the file was moved', async () => {
    const again = await gantry('import', 'events', file, '--json');
    expect(JSON.parse(again.stdout)).toMatchObject({ accepted: 0 });
    insert({ session_id: 'later' });
    const moved = join(home, 'moved.db');
    writeFileSync(moved, readFileSync(file));
    expect(JSON.parse((await gantry('import', 'events', moved, '--json')).stdout)).toMatchObject({ accepted: 1 });
    expect((await imported()).map(({ session_id: session }) => session)).toEqual(['s', 's', 's', 'later']);
  });

  it('refuses a file that is something else', async () => {
    const other = join(home, 'other.db');
    writeFileSync(other, 'no database');
    expect((await gantry('import', 'events', other)).code).not.toBe(0);
    const { code, stderr } = await gantry('import', 'events', join(home, 'gantry.db'));
    expect(code).not.toBe(0);
    expect(stderr).toContain('is no events.db');
  });
});
