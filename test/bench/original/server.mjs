// A reconstruction of the ingest of the hooks observability server, for Bun: its tables, indexes and journal settings, one
// INSERT of its own and one broadcast per POST, and its reads. Without themes and questions, which nothing here measures.
// Usage: bun run server.mjs, in the folder of its database; says where it listens

import { Database } from 'bun:sqlite';

const SHOWN_AT_FIRST = 300;
const db = new Database('events.db');
db.exec('PRAGMA journal_mode = WAL');
db.exec('PRAGMA synchronous = NORMAL');
db.exec(`CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, source_app TEXT NOT NULL, session_id TEXT NOT NULL, hook_event_type TEXT NOT NULL,
  payload TEXT NOT NULL, chat TEXT, summary TEXT, timestamp INTEGER NOT NULL,
  humanInTheLoop TEXT, humanInTheLoopStatus TEXT, model_name TEXT)`);
for (const column of ['source_app', 'session_id', 'hook_event_type', 'timestamp']) {
  db.exec(`CREATE INDEX IF NOT EXISTS idx_${column} ON events(${column})`);
}

const COLUMNS =
  'source_app, session_id, hook_event_type, payload, chat, summary, timestamp, humanInTheLoop, humanInTheLoopStatus, model_name';
const orNull = (value) => (value ? JSON.stringify(value) : null);

function insert(event) {
  // As the original does: prepared anew for every event.
  const sql = `INSERT INTO events (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
  const timestamp = event.timestamp || Date.now();
  const status = event.humanInTheLoop ? { status: 'pending' } : undefined;
  const { lastInsertRowid } = db
    .prepare(sql)
    .run(
      event.source_app,
      event.session_id,
      event.hook_event_type,
      JSON.stringify(event.payload),
      orNull(event.chat),
      event.summary || null,
      timestamp,
      orNull(event.humanInTheLoop),
      orNull(status),
      event.model_name || null,
    );
  return { ...event, id: lastInsertRowid, timestamp, humanInTheLoopStatus: status };
}

const parsed = (text) => (text ? JSON.parse(text) : undefined);

function recent(limit) {
  const rows = db.prepare(`SELECT id, ${COLUMNS} FROM events ORDER BY timestamp DESC, id DESC LIMIT ?`).all(limit);
  return rows.reverse().map(({ payload, chat, summary, humanInTheLoop, humanInTheLoopStatus, model_name, ...row }) => ({
    ...row,
    payload: JSON.parse(payload),
    chat: parsed(chat),
    summary: summary || undefined,
    humanInTheLoop: parsed(humanInTheLoop),
    humanInTheLoopStatus: parsed(humanInTheLoopStatus),
    model_name: model_name || undefined,
  }));
}

function filterOptions() {
  const names = (sql) => db.prepare(sql).values().flat();
  return {
    source_apps: names('SELECT DISTINCT source_app FROM events ORDER BY source_app'),
    session_ids: names('SELECT DISTINCT session_id FROM events ORDER BY session_id DESC LIMIT 300'),
    hook_event_types: names('SELECT DISTINCT hook_event_type FROM events ORDER BY hook_event_type'),
  };
}

const clients = new Set();
const headers = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, POST, PUT, DELETE, OPTIONS',
  'Access-Control-Allow-Headers': 'Content-Type',
  'Content-Type': 'application/json',
};
const reply = (value, status = 200) => new Response(JSON.stringify(value), { status, headers });

async function take(request) {
  try {
    const event = await request.json();
    if (!event.source_app || !event.session_id || !event.hook_event_type || !event.payload) {
      return reply({ error: 'Missing required fields' }, 400);
    }
    const saved = insert(event);
    const message = JSON.stringify({ type: 'event', data: saved });
    for (const client of clients) client.send(message);
    return reply(saved);
  } catch {
    return reply({ error: 'Invalid request' }, 400);
  }
}

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  async fetch(request) {
    const url = new URL(request.url);
    if (url.pathname === '/events' && request.method === 'POST') return await take(request);
    if (url.pathname === '/events/filter-options') return reply(filterOptions());
    if (url.pathname === '/events/recent') return reply(recent(Number(url.searchParams.get('limit') || '300')));
    if (url.pathname === '/stream' && server.upgrade(request)) return undefined;
    return new Response('Multi-Agent Observability Server', { headers: { ...headers, 'Content-Type': 'text/plain' } });
  },
  websocket: {
    open(ws) {
      clients.add(ws);
      ws.send(JSON.stringify({ type: 'initial', data: recent(SHOWN_AT_FIRST) }));
    },
    message() {
      // What a client says is ignored.
    },
    close(ws) {
      clients.delete(ws);
    },
  },
});
console.log(`http://localhost:${server.port}`);
