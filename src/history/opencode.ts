import type { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { AppError } from '../contract/errors.ts';
import type { HistoryHit, HistoryMessage, HistoryPart, HistorySession } from '../contract/history.ts';
import { usageOf } from '../contract/usage.ts';
import { messageOf, partOf } from './opencode-rows.ts';
import { seedSource } from './opencode-seed.ts';
import { excerptOf, type Source } from './source.ts';
import { columnsOf, hasAll, readerOf, selected } from './sqlite.ts';

/** Whitelist: OpenCode keeps credentials and account tokens in other tables of the same file. */
const TABLES: ReadonlySet<string> = new Set(['session', 'message', 'part']);
const NEEDED = {
  session: ['id', 'title', 'directory', 'time_created', 'time_updated'],
  message: ['id', 'session_id', 'time_created', 'data'],
  part: ['id', 'message_id', 'session_id', 'data'],
} as const;
/** Parts that are looked at in one go, a few milliseconds of the daemon's time. */
const SLICE = 4_000;

/**
 * The conversations in an OpenCode database of version 1.2 and newer (tested with 1.18.33), or in one of its predecessor.
 * @throws AppError `unsupported` for another shape, `store_locked`, `store_corrupt`
 */
export function opencodeSource(file: string): Source {
  const found = columnsOf(file, ['session', 'message', 'part', 'sessions', 'messages']);
  const isToday = hasAll(found, NEEDED);
  const seed = isToday ? null : seedSource(file, found);
  if (seed) return seed;
  if (!isToday) throw new AppError('unsupported', `${file} has no tables that this Gantry knows`);
  const columns = selected(SESSION_COLUMNS, found.get('session'));
  const read = readerOf(file, TABLES);
  return {
    source: 'opencode',
    store: file,
    sessions: (limit) =>
      read((db) =>
        db
          .prepare(`SELECT ${columns} FROM session ORDER BY time_updated DESC LIMIT ?`)
          .all(limit)
          .map((row) => sessionOf(row, file)),
      ),
    session: (id) =>
      read((db) => {
        const row = db.prepare(`SELECT ${columns} FROM session WHERE id = ?`).get(id);
        return row ? sessionOf(row, file) : null;
      }),
    messages: (id, page) => read((db) => messagesOf(db, id, page)),
    search: (text, limit, signal) => search(read, text, limit, signal),
  };
}

type Row = Readonly<Record<string, unknown>>;

const SESSION_COLUMNS = [
  'id',
  'parent_id',
  'title',
  'directory',
  'model',
  'cost',
  'tokens_input',
  'tokens_output',
  'tokens_reasoning',
  'tokens_cache_read',
  'tokens_cache_write',
  'time_created',
  'time_updated',
];

function sessionOf(row: Row, store: string): HistorySession {
  const count = (column: string): number => Number(row[column] ?? 0);
  const tokens = {
    input: count('tokens_input'),
    output: count('tokens_output'),
    reasoning: count('tokens_reasoning'),
    cache: { read: count('tokens_cache_read'), write: count('tokens_cache_write') },
  };
  return {
    source: 'opencode',
    id: String(row.id),
    parentId: textOrNull(row.parent_id),
    title: String(row.title),
    directory: textOrNull(row.directory),
    model: modelOf(textOrNull(row.model)),
    // Older versions have no sums: unknown, not 0.
    usage: row.tokens_input === null ? null : usageOf(tokens, Number(row.cost)),
    createdAt: Number(row.time_created),
    updatedAt: Number(row.time_updated),
    store,
  };
}

function messagesOf(
  db: DatabaseSync,
  id: string,
  { after, limit }: { readonly after: string | null; readonly limit: number },
): HistoryMessage[] {
  // Message and part ids ascend with time.
  const rows = db
    .prepare('SELECT id, time_created, data FROM message WHERE session_id = ? AND id > ? ORDER BY id LIMIT ?')
    .all(id, after ?? '', limit);
  const parts = db.prepare('SELECT data FROM part WHERE message_id = ? ORDER BY id');
  return rows.map((row) => {
    const own: HistoryPart[] = parts.all(String(row.id)).map(({ data }) => partOf(String(data)));
    return messageOf(String(row.id), Number(row.time_created), String(row.data), own);
  });
}

type Read = <T>(use: (db: DatabaseSync) => T) => Promise<T>;

/** In slices from the newest row back, each in a short transaction of its own, so that neither side waits for the other. */
async function search(read: Read, text: string, limit: number, signal: AbortSignal): Promise<HistoryHit[]> {
  const hits: HistoryHit[] = [];
  const needle = text.toLowerCase();
  const like = `%${JSON.stringify(text)
    .slice(1, -1)
    .replace(/[\\%_]/g, '\\$&')}%`;
  let upTo = await read((db) => Number(db.prepare('SELECT max(rowid) AS last FROM part').get()?.last ?? 0));
  while (upTo > 0 && hits.length < limit && !signal.aborted) {
    const rows = await read((db) => db.prepare(SEARCH).all(upTo, upTo - SLICE, like));
    for (const row of rows) {
      const excerpt = excerptOf([partOf(String(row.data))], needle);
      if (excerpt === null || hits.length >= limit) continue;
      hits.push({
        source: 'opencode',
        sessionId: String(row.session_id),
        messageId: String(row.message_id),
        title: String(row.title),
        at: Number(row.time_created),
        excerpt,
      });
    }
    upTo -= SLICE;
    await setImmediate();
  }
  return hits;
}

const SEARCH = `
  SELECT part.message_id, part.session_id, part.time_created, part.data, session.title
  FROM part JOIN session ON session.id = part.session_id
  WHERE part.rowid <= ? AND part.rowid > ? AND part.data LIKE ? ESCAPE '\\'
  ORDER BY part.rowid DESC`;

const textOrNull = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

/** A JSON object in today's versions. */
function modelOf(text: string | null): string | null {
  if (text === null || !text.startsWith('{')) return text;
  const match = /"(?:id|modelID)"\s*:\s*"([^"]+)"/.exec(text)?.[1];
  const provider = /"providerID"\s*:\s*"([^"]+)"/.exec(text)?.[1];
  return match === undefined ? null : [provider, match].filter(Boolean).join('/');
}
