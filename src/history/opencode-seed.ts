import type { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import type { HistoryHit, HistoryMessage, HistoryPart, HistorySession } from '../contract/history.ts';
import { NO_USAGE } from '../contract/usage.ts';
import { jsonOf } from './opencode-rows.ts';
import { excerptOf, type Source } from './source.ts';
import { hasAll, readerOf, selected } from './sqlite.ts';

/** The predecessor of today's OpenCode, a Go program: two tables, the parts of a message as one JSON text. */
const TABLES: ReadonlySet<string> = new Set(['sessions', 'messages']);
const NEEDED = {
  sessions: ['id', 'title', 'created_at', 'updated_at'],
  messages: ['id', 'session_id', 'role', 'parts', 'created_at'],
} as const;
const SLICE = 1_000;

const text = z.object({ type: z.enum(['text', 'reasoning']), text: z.string() });
const call = z.object({ type: z.literal('tool_call'), id: z.string(), name: z.string(), input: z.string() });
const result = z.object({
  type: z.literal('tool_result'),
  tool_call_id: z.string(),
  name: z.string().optional(),
  content: z.string(),
  is_error: z.boolean().default(false),
});
const finish = z.object({ type: z.literal('finish'), reason: z.string() });
const Part = z.discriminatedUnion('type', [text, call, result, finish]);
/** In the Go program's own files the fields of a part are below `data`. */
const Wrapped = z.object({ type: z.string(), data: z.looseObject({}) });

/** Null if the tables are not those of the predecessor. */
export function seedSource(file: string, found: ReadonlyMap<string, ReadonlySet<string>>): Source | null {
  if (!hasAll(found, NEEDED)) return null;
  const columns = selected(COLUMNS, found.get('sessions'));
  const read = readerOf(file, TABLES);
  return {
    source: 'opencode',
    store: file,
    sessions: (limit) =>
      read((db) =>
        db
          .prepare(`SELECT ${columns} FROM sessions ORDER BY updated_at DESC LIMIT ?`)
          .all(limit)
          .map((row) => sessionOf(row, file)),
      ),
    session: (id) =>
      read((db) => {
        const row = db.prepare(`SELECT ${columns} FROM sessions WHERE id = ?`).get(id);
        return row ? sessionOf(row, file) : null;
      }),
    messages: (id, { after, limit }) =>
      read((db) => {
        // Ids are random here: the order is that of the rows.
        const from = after === null ? 0 : Number(db.prepare(ROW_OF).get(after, id)?.at ?? Number.MAX_SAFE_INTEGER);
        return db.prepare(MESSAGES).all(id, from, limit).map(messageOf);
      }),
    search: (words, limit, signal) => search(read, words, limit, signal),
  };
}

const COLUMNS = [
  'id',
  'parent_session_id',
  'title',
  'prompt_tokens',
  'completion_tokens',
  'cost',
  'created_at',
  'updated_at',
];
const ROW_OF = 'SELECT rowid AS at FROM messages WHERE id = ? AND session_id = ?';
const MESSAGES = `
  SELECT id, role, parts, created_at FROM messages WHERE session_id = ? AND rowid > ? ORDER BY rowid LIMIT ?`;
const SEARCH = `
  SELECT messages.id, messages.session_id, messages.role, messages.parts, messages.created_at, sessions.title
  FROM messages JOIN sessions ON sessions.id = messages.session_id
  WHERE messages.rowid <= ? AND messages.rowid > ? ORDER BY messages.rowid DESC`;

type Row = Readonly<Record<string, unknown>>;

function sessionOf(row: Row, store: string): HistorySession {
  const inputTokens = Number(row.prompt_tokens ?? 0);
  const outputTokens = Number(row.completion_tokens ?? 0);
  const costUsd = Number(row.cost) || null;
  return {
    source: 'opencode',
    id: String(row.id),
    parentId: row.parent_session_id === null ? null : String(row.parent_session_id),
    title: String(row.title),
    directory: null,
    model: null,
    usage: row.prompt_tokens === null ? null : { ...NO_USAGE, inputTokens, outputTokens, costUsd },
    createdAt: msOf(row.created_at),
    updatedAt: msOf(row.updated_at),
    store,
  };
}

function messageOf(row: Row): HistoryMessage {
  const role = String(row.role);
  return {
    id: String(row.id),
    // The results of tools are messages of their own there.
    role: role === 'user' || role === 'system' ? role : 'assistant',
    at: msOf(row.created_at),
    model: null,
    usage: null,
    error: null,
    parts: partsOf(String(row.parts)),
  };
}

function partsOf(json: string): HistoryPart[] {
  const values = z.array(z.unknown()).safeParse(jsonOf(json));
  return values.success ? values.data.map(partOf) : [{ type: 'raw', kind: 'parts', value: json }];
}

function partOf(value: unknown): HistoryPart {
  const wrapped = Wrapped.safeParse(value);
  const part = Part.safeParse(wrapped.success ? { ...wrapped.data.data, type: wrapped.data.type } : value);
  if (!part.success) return { type: 'raw', kind: wrapped.success ? wrapped.data.type : 'unknown', value };
  const { data } = part;
  switch (data.type) {
    case 'text':
      return { type: 'text', text: data.text, isSynthetic: false };
    case 'reasoning':
      return { type: 'reasoning', text: data.text };
    case 'tool_call': {
      const input = jsonOf(data.input) ?? data.input;
      return { type: 'tool', callId: data.id, tool: data.name, title: null, input, output: null, status: 'running' };
    }
    case 'tool_result': {
      const status = data.is_error ? 'error' : 'completed';
      const { tool_call_id: callId, name: tool = 'tool', content: output } = data;
      return { type: 'tool', callId, tool, title: null, input: {}, output, status };
    }
    case 'finish':
      return { type: 'step', reason: data.reason };
    default:
      return data satisfies never;
  }
}

type Read = <T>(use: (db: DatabaseSync) => T) => Promise<T>;

async function search(read: Read, words: string, limit: number, signal: AbortSignal): Promise<HistoryHit[]> {
  const hits: HistoryHit[] = [];
  const needle = words.toLowerCase();
  let upTo = await read((db) => Number(db.prepare('SELECT max(rowid) AS last FROM messages').get()?.last ?? 0));
  while (upTo > 0 && hits.length < limit && !signal.aborted) {
    for (const row of await read((db) => db.prepare(SEARCH).all(upTo, upTo - SLICE))) {
      const excerpt = excerptOf(messageOf(row).parts, needle);
      if (excerpt === null || hits.length >= limit) continue;
      const [sessionId, messageId, title] = [String(row.session_id), String(row.id), String(row.title)];
      hits.push({ source: 'opencode', sessionId, messageId, title, at: msOf(row.created_at), excerpt });
    }
    upTo -= SLICE;
    await setImmediate();
  }
  return hits;
}

/** Seconds in some versions, milliseconds in others. */
function msOf(value: unknown): number | null {
  const time = Number(value);
  if (!Number.isFinite(time) || time <= 0) return null;
  return time < 100_000_000_000 ? time * 1_000 : time;
}
