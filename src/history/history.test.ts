import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  CLAUDE_ID,
  fillDatabase,
  makeDatabase,
  opencodeRows,
  opencodeSchema,
  SEED_SQL,
  writeTranscript,
} from '../../test/support/history.ts';
import { type TempDir, tempDir } from '../../test/support/temp.ts';
import { History } from './history.ts';
import { opencodeSource } from './opencode.ts';
import { reading } from './sqlite.ts';

let dir: TempDir;
let home: string;
let database: string;

beforeEach(async () => {
  dir = await tempDir();
  home = join(dir.path, 'user');
  database = join(home, '.local', 'share', 'opencode', 'opencode.db');
});

afterEach(() => dir[Symbol.asyncDispose]());

const history = (environment: Readonly<Record<string, string>> = {}, projects: readonly string[] = []): History =>
  new History({
    environment: { HOME: home, ...environment },
    home: join(dir.path, 'gantry'),
    projects: () => projects,
  });

const ALL = { after: null, limit: 1000 } as const;

test('what a session of Claude Code used is counted once for each message, by day and model, with its sub-agents', async () => {
  const line = (id: string, timestamp: string, output: number, model = 'opus') =>
    `${JSON.stringify({
      ...{ type: 'assistant', uuid: `${id}-${output}`, timestamp },
      message: { id, model, content: [], usage: { input_tokens: 100, output_tokens: output } },
    })}\n`;
  const folder = join(home, '.claude', 'projects', '-repo');
  await mkdir(join(folder, CLAUDE_ID, 'subagents'), { recursive: true });
  const [day, next] = ['2026-11-02T23:59:59.000Z', '2026-11-03T00:00:01.000Z'];
  // Every part of a message is a line, with what was used so far; the last one is half written.
  const own = [line('m1', day, 1), line('m1', day, 40), line('m2', next, 2), line('m3', next, 5, '<synthetic>')].join(
    '',
  );
  await writeFile(join(folder, `${CLAUDE_ID}.jsonl`), `${own}${line('m4', next, 9).slice(0, 40)}`);
  await writeFile(join(folder, CLAUDE_ID, 'subagents', 'agent-1.jsonl'), line('m9', next, 3));
  const used = await history().claudeUsage(CLAUDE_ID);
  expect(used.map(({ at, model, usage }) => [at, model, usage.inputTokens, usage.outputTokens, usage.costUsd])).toEqual(
    [
      [Date.parse(day), 'opus', 100, 40, null],
      [Date.parse(next), 'opus', 200, 5, null],
      [Date.parse(next), '<synthetic>', 100, 5, null],
    ],
  );
  expect(await history().claudeUsage('../-repo/x')).toEqual([]);
});

describe('rows that OpenCode 1.18.33 wrote', () => {
  beforeEach(() => makeDatabase(database, opencodeSchema(), opencodeRows()));

  test('sessions have their cost, tokens, model and parent', async () => {
    const { items, problems } = await history().sessions({ limit: 10 });
    expect(problems).toEqual([]);
    expect(items.map(({ id, parentId }) => [id, parentId])).toEqual([
      ['ses_e048801ceffeLnvkuj2Q3NZAad', null],
      ['ses_e0487b3eeffetpWKEd5okPAGMq', 'ses_e048801ceffeLnvkuj2Q3NZAad'],
    ]);
    expect(items[0]).toMatchObject({
      source: 'opencode',
      title: 'scenario',
      directory: '/home/user/project',
      model: 'fake/fake-1',
      usage: { inputTokens: 178475, outputTokens: 262, reasoningTokens: 40, cacheReadTokens: 800, costUsd: 0.179159 },
    });
  });

  test('the cost of a model without a price is unknown, not nothing', async () => {
    await makeDatabase(
      database,
      'UPDATE session SET cost = 0',
      "UPDATE message SET data = json_set(data, '$.cost', 0)",
    );
    const { items } = await history().sessions({ limit: 10 });
    expect(items.map(({ usage }) => usage?.costUsd)).toEqual([null, null]);
    const { items: messages } = await history().messages('ses_e048801ceffeLnvkuj2Q3NZAad', ALL);
    expect(messages[1]).toMatchObject({ usage: { costUsd: null } });
  });

  test('messages have all kinds of parts in their order', async () => {
    const { items } = await history().messages('ses_e048801ceffeLnvkuj2Q3NZAad', ALL);
    const kinds = new Set(items.flatMap(({ parts }) => parts.map(({ type }) => type)));
    expect(kinds).toEqual(new Set(['text', 'reasoning', 'tool', 'step', 'patch', 'file', 'compaction', 'raw']));
    expect(items.map(({ id }) => id)).toEqual(items.map(({ id }) => id).sort());
    const tools = items.flatMap(({ parts }) => parts.filter((part) => part.type === 'tool'));
    expect(tools).toContainEqual(
      expect.objectContaining({ tool: 'bash', status: 'error', output: expect.any(String) }),
    );
    expect(items[1]).toMatchObject({ role: 'assistant', model: 'fake/fake-1', usage: { costUsd: 0.00074 } });
  });

  test('pages follow each other without gap or twin', async () => {
    const id = 'ses_e048801ceffeLnvkuj2Q3NZAad';
    const whole = await history().messages(id, ALL);
    const first = await history().messages(id, { after: null, limit: 3 });
    const rest = await history().messages(id, { after: first.next, limit: 1000 });
    expect([...first.items, ...rest.items]).toEqual(whole.items);
    expect(rest.next).toBeNull();
  });

  test('search looks into words and tools, whatever their case, and takes signs as they are', async () => {
    const { items } = await history().search({ text: 'HELLO from the FAKE model', limit: 10 });
    expect(items[0]).toMatchObject({ sessionId: 'ses_e048801ceffeLnvkuj2Q3NZAad', title: 'scenario' });
    expect(items[0]?.excerpt).toContain('Hello from the fake model');
    expect((await history().search({ text: 'rm -rf nothing', limit: 10 })).items).not.toEqual([]);
    expect((await history().search({ text: '100%_nowhere', limit: 10 })).items).toEqual([]);
    expect((await history().search({ text: "' OR 1=1 --", limit: 10 })).items).toEqual([]);
  });

  test('tables with credentials cannot be read, whatever is asked', () => {
    const words = (sql: string) => () => reading(database, new Set(['session']), (db) => db.prepare(sql).all());
    expect(words('SELECT id FROM session')()).toHaveLength(2);
    for (const table of ['credential', 'account', 'control_account', 'session_share', 'sqlite_schema']) {
      expect(words(`SELECT * FROM ${table}`), table).toThrow(/prohibited|not authorized/);
    }
    expect(words('DELETE FROM session')).toThrow();
    expect(words("ATTACH 'other.db' AS other")).toThrow();
  });

  test('an unknown session is said, with the stores that were looked at', async () => {
    await expect(history().messages('ses_nobody', ALL)).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining(database),
    });
  });

  test('a writer is not held up, and what it writes is seen', async () => {
    const writer = new DatabaseSync(database);
    try {
      writer.exec(
        "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; UPDATE session SET title = 'written' WHERE parent_id IS NULL",
      );
      expect((await history().sessions({ limit: 1 })).items[0]?.title).toBe('scenario');
      writer.exec('COMMIT');
      expect((await history().sessions({ limit: 1 })).items[0]?.title).toBe('written');
    } finally {
      writer.close();
    }
  });
});

describe('stores that are not as they should be', () => {
  test('none at all is an empty answer', async () => {
    expect(await history().sessions({ limit: 5 })).toEqual({ items: [], problems: [] });
    await expect(history().messages('any', ALL)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('one that is no database is told, and spoils nothing else', async () => {
    await mkdir(join(database, '..'), { recursive: true });
    await writeFile(database, 'this is not a database, and longer than a header would be'.repeat(20));
    await writeTranscript(home);
    const { items, problems } = await history().sessions({ limit: 5 });
    expect(items.map(({ source }) => source)).toEqual(['claude']);
    expect(problems).toEqual([
      { source: 'opencode', store: database, problem: expect.stringContaining('cannot be read') },
    ]);
  });

  test('one that is locked is told in time', async () => {
    await makeDatabase(database, opencodeSchema());
    const holder = new DatabaseSync(database);
    try {
      holder.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
      const { problems } = await history().sessions({ limit: 5 });
      expect(problems).toEqual([expect.objectContaining({ problem: expect.stringContaining('locked') })]);
    } finally {
      holder.close();
    }
  });

  test('one of another shape is not guessed at', async () => {
    await makeDatabase(database, 'CREATE TABLE session (id TEXT, words TEXT)');
    const { problems } = await history().sessions({ limit: 5 });
    expect(problems).toEqual([expect.objectContaining({ problem: expect.stringContaining('no tables') })]);
  });

  test('one that was named and is not there is told', async () => {
    const { problems } = await history({ OPENCODE_DB: '/nowhere/opencode.db' }).sessions({ limit: 5 });
    expect(problems).toEqual([expect.objectContaining({ store: '/nowhere/opencode.db' })]);
  });

  test('columns of a newer version are passed over, those of an older one are unknown', async () => {
    await makeDatabase(
      database,
      `CREATE TABLE session (id TEXT, title TEXT, directory TEXT, time_created INT, time_updated INT, news TEXT);
       CREATE TABLE message (id TEXT, session_id TEXT, time_created INT, data TEXT);
       CREATE TABLE part (id TEXT, message_id TEXT, session_id TEXT, time_created INT, data TEXT);
       INSERT INTO session VALUES ('ses_1', 'older', '/p', 1, 2, 'x');
       INSERT INTO message VALUES ('msg_1', 'ses_1', 1, 'no json');
       INSERT INTO part VALUES ('prt_1', 'msg_1', 'ses_1', 1, '{"type":"from-tomorrow","a":1}')`,
    );
    expect((await history().sessions({ limit: 5 })).items[0]).toMatchObject({ title: 'older', usage: null });
    const { items } = await history().messages('ses_1', ALL);
    expect(items[0]?.parts).toEqual([
      { type: 'raw', kind: 'message', value: 'no json' },
      { type: 'raw', kind: 'from-tomorrow', value: { type: 'from-tomorrow', a: 1 } },
    ]);
  });
});

test('the predecessor’s database of a project is read', async () => {
  const project = join(dir.path, 'project');
  await makeDatabase(join(project, '.opencode', 'opencode.db'), SEED_SQL);
  const { items } = await history({}, [project]).sessions({ limit: 5 });
  expect(items).toEqual([
    expect.objectContaining({
      id: '5f0c',
      createdAt: 1_750_000_000_000,
      usage: expect.objectContaining({ inputTokens: 120, outputTokens: 30, costUsd: 0.02 }),
    }),
  ]);
  const { items: messages } = await history({}, [project]).messages('5f0c', ALL);
  expect(messages.map(({ role, parts }) => [role, parts.map(({ type }) => type)])).toEqual([
    ['user', ['text']],
    ['assistant', ['tool', 'step']],
    ['assistant', ['tool']],
  ]);
  expect(messages[1]?.parts[0]).toMatchObject({ tool: 'ls', input: { path: '.' } });
  expect(messages[2]?.parts[0]).toMatchObject({ output: 'README.md', status: 'completed' });
  const paged = await history({}, [project]).messages('5f0c', { after: 'zz', limit: 1 });
  expect(paged.items.map(({ id }) => id)).toEqual(['aa']);
  expect((await history({}, [project]).search({ text: 'readme', limit: 5 })).items).toHaveLength(1);
});

describe('transcripts of Claude Code', () => {
  test('a session is listed by its first words, and summed up when it is read', async () => {
    const file = await writeTranscript(home);
    const { items } = await history().sessions({ source: 'claude', limit: 5 });
    expect(items).toEqual([
      expect.objectContaining({
        id: CLAUDE_ID,
        title: 'Where is the zebra configured?',
        directory: '/repo',
        model: 'claude-sonnet-4-5',
        usage: null,
        store: file,
      }),
    ]);
    const { session } = await history().messages(CLAUDE_ID, ALL);
    expect(session.usage).toEqual({
      inputTokens: 40,
      outputTokens: 25,
      reasoningTokens: 0,
      cacheReadTokens: 5,
      cacheWriteTokens: 2,
      costUsd: null,
    });
  });

  test('lines of one answer are one message, and a call has its result', async () => {
    await writeTranscript(home);
    const { items } = await history().messages(CLAUDE_ID, ALL);
    expect(items.map(({ id, parts }) => [id, parts.map(({ type }) => type)])).toEqual([
      ['u1', ['text']],
      ['msg_1', ['reasoning', 'tool']],
      ['msg_2', ['text', 'raw']],
    ]);
    expect(items[1]?.parts[1]).toMatchObject({ tool: 'Grep', output: 'config.ts:3', status: 'completed' });
    expect((await history().search({ text: 'zebra', limit: 5 })).items.map(({ messageId }) => messageId)).toEqual([
      'msg_1',
      'u1',
    ]);
  });

  test('an id is no path', async () => {
    await writeTranscript(home);
    await expect(history().messages('../../.claude/projects/-repo/x', ALL)).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});

test('secrets are masked on the way out', async () => {
  await makeDatabase(database, opencodeSchema(), opencodeRows());
  const db = new DatabaseSync(database);
  db.exec(`UPDATE part SET data = '{"type":"text","text":"export OPENAI_API_KEY=verysecretvalue"}'`);
  db.close();
  const { items } = await history().messages('ses_e048801ceffeLnvkuj2Q3NZAad', ALL);
  expect(JSON.stringify(items)).not.toContain('verysecretvalue');
});

test('what a search cuts out holds no secret, of a tool or with its name cut off', async () => {
  await makeDatabase(database, opencodeSchema(), opencodeRows());
  const db = new DatabaseSync(database);
  const state = { status: 'completed', input: { password: 'verysecretvalue', note: 'a needle' }, output: '' };
  const tool = JSON.stringify({ type: 'tool', callID: 'c', tool: 'bash', state });
  const text = JSON.stringify({ type: 'text', text: `DATABASE_PASSWORD=verysecretvalue ${'x'.repeat(65)} needle` });
  const change = db.prepare('UPDATE part SET data = ? WHERE rowid = ?');
  change.run(tool, 1);
  change.run(text, 2);
  db.close();
  const { items } = await history().search({ text: 'needle', limit: 10 });
  expect(items).toHaveLength(2);
  expect(JSON.stringify(items)).not.toMatch(/secretvalue/);
});

test('the oldest of many messages is found without holding up anything else for long', async () => {
  await makeDatabase(database, opencodeSchema());
  fillDatabase(database, 20_000);
  const source = opencodeSource(database);
  let turns = 0;
  const ticking = setInterval(() => {
    turns += 1;
  }, 1);
  const hits = await source.search('needle', 5, new AbortController().signal);
  clearInterval(ticking);
  expect(hits).toMatchObject([{ messageId: 'msg_00000000' }]);
  expect(turns).toBeGreaterThan(0);
  expect(await source.search('needle', 5, AbortSignal.abort())).toEqual([]);
});
