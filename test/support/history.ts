import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';

const fixture = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../fixtures/opencode-1.18.33/${name}`, import.meta.url)), 'utf8');

/** Makes a database with these statements. */
export async function makeDatabase(file: string, ...sql: readonly string[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const db = new DatabaseSync(file);
  try {
    db.exec('PRAGMA synchronous = OFF');
    for (const text of sql) db.exec(text);
  } finally {
    db.close();
  }
}

/** The schema of OpenCode 1.18.33. */
export const opencodeSchema = (): string => fixture('db-schema.sql');

/** Rows that OpenCode 1.18.33 wrote, recorded 2026-11. */
export const opencodeRows = (): string => fixture('db-rows.sql');

/** The predecessor's tables with one conversation. */
export const SEED_SQL = `
  CREATE TABLE sessions (id TEXT PRIMARY KEY, parent_session_id TEXT, title TEXT NOT NULL, message_count INTEGER NOT NULL DEFAULT 0,
    prompt_tokens INTEGER NOT NULL DEFAULT 0, completion_tokens INTEGER NOT NULL DEFAULT 0, summary_message_id TEXT,
    cost REAL NOT NULL DEFAULT 0, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
  CREATE TABLE messages (id TEXT PRIMARY KEY, session_id TEXT NOT NULL, role TEXT NOT NULL, parts TEXT NOT NULL DEFAULT '[]',
    model TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
  INSERT INTO sessions VALUES ('5f0c', NULL, 'An old talk', 3, 120, 30, NULL, 0.02, 1750000000, 1750000100);
  INSERT INTO messages VALUES
    ('zz', '5f0c', 'user', '[{"type":"text","text":"list the files"}]', NULL, 1750000000, 1750000000),
    ('aa', '5f0c', 'assistant', '[{"type":"tool_call","data":{"id":"c1","name":"ls","input":"{\\"path\\":\\".\\"}"}},{"type":"finish","data":{"reason":"tool_use"}}]', 'm', 1750000001, 1750000002),
    ('mm', '5f0c', 'tool', '[{"type":"tool_result","tool_call_id":"c1","content":"README.md","is_error":false}]', NULL, 1750000003, 1750000003);`;

export const CLAUDE_ID = '0b5c7c1e-8a52-4b0e-9d35-0f3a3c1f2d11';

/** Lines as Claude Code 2.1.329 writes them. */
const CLAUDE_LINES = [
  { type: 'queue-operation', operation: 'enqueue', timestamp: '2026-11-02T10:00:00.000Z', sessionId: CLAUDE_ID },
  {
    type: 'user',
    uuid: 'u1',
    parentUuid: null,
    timestamp: '2026-11-02T10:00:00.100Z',
    cwd: '/repo',
    sessionId: CLAUDE_ID,
    message: { role: 'user', content: 'Where is the zebra configured?' },
  },
  {
    type: 'assistant',
    uuid: 'a1',
    timestamp: '2026-11-02T10:00:01.000Z',
    message: {
      id: 'msg_1',
      model: 'claude-sonnet-4-5',
      role: 'assistant',
      content: [{ type: 'thinking', thinking: 'I look.', signature: 's' }],
      usage: { input_tokens: 10, output_tokens: 1, cache_read_input_tokens: 5, cache_creation_input_tokens: 2 },
    },
  },
  {
    type: 'assistant',
    uuid: 'a2',
    timestamp: '2026-11-02T10:00:01.100Z',
    message: {
      id: 'msg_1',
      model: 'claude-sonnet-4-5',
      role: 'assistant',
      content: [{ type: 'tool_use', id: 'toolu_1', name: 'Grep', input: { pattern: 'zebra' } }],
      usage: { input_tokens: 10, output_tokens: 20, cache_read_input_tokens: 5, cache_creation_input_tokens: 2 },
    },
  },
  {
    type: 'user',
    uuid: 'u2',
    timestamp: '2026-11-02T10:00:02.000Z',
    message: {
      role: 'user',
      content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: 'config.ts:3' }] }],
    },
  },
  {
    type: 'assistant',
    uuid: 'a3',
    timestamp: '2026-11-02T10:00:03.000Z',
    message: {
      id: 'msg_2',
      model: 'claude-sonnet-4-5',
      role: 'assistant',
      content: [
        { type: 'text', text: 'In config.ts.' },
        { type: 'server_tool_use', id: 'x', name: 'new_kind' },
      ],
      usage: { input_tokens: 30, output_tokens: 5 },
    },
  },
];

/** Writes a transcript below a home's `.claude`; the last line is cut in half, as while it is being written. */
export async function writeTranscript(home: string): Promise<string> {
  const file = join(home, '.claude', 'projects', '-repo', `${CLAUDE_ID}.jsonl`);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${CLAUDE_LINES.map((line) => JSON.stringify(line)).join('\n')}\n{"type":"assistant","uu`);
  return file;
}

/** Fills today's schema with that many messages of one part each; the newest `rare` words are in the oldest message. */
export function fillDatabase(file: string, count: number): void {
  const db = new DatabaseSync(file);
  try {
    db.exec('PRAGMA journal_mode = WAL; BEGIN');
    const project = 'INSERT INTO project (id, worktree, time_created, time_updated, sandboxes) VALUES (?, ?, 1, 1, ?)';
    db.prepare(project).run('p', '/p', '[]');
    const session = `INSERT INTO session (id, project_id, slug, directory, title, version, time_created, time_updated)
      VALUES (?, 'p', 's', '/p', 'a long talk', '1.18.33', 1, 1)`;
    db.prepare(session).run('ses_long');
    const message = db.prepare('INSERT INTO message VALUES (?, ?, ?, ?, ?)');
    const part = db.prepare('INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)');
    for (let i = 0; i < count; i += 1) {
      const id = String(i).padStart(8, '0');
      const words = i === 0 ? 'a needle in the haystack' : `message ${i}: ${'hay '.repeat(40)}`;
      message.run(`msg_${id}`, 'ses_long', i, i, JSON.stringify({ role: 'user', time: { created: i } }));
      part.run(`prt_${id}`, `msg_${id}`, 'ses_long', i, i, JSON.stringify({ type: 'text', text: words }));
    }
    db.exec('COMMIT');
  } finally {
    db.close();
  }
}
