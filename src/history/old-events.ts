import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../contract/errors.ts';
import { columnsOf, reading } from './sqlite.ts';

/** A row of the hooks observability server's `events`, as Gantry's events API takes it; or what is wrong with it. */
export type OldEvent = { readonly id: number } & (
  | { readonly event: Readonly<Record<string, unknown>> }
  | { readonly problem: string }
);

type Row = Record<string, unknown>;

const NEEDED = ['id', 'source_app', 'session_id', 'hook_event_type', 'payload', 'timestamp'] as const;
/** Old files have not all of them. */
const LATER = ['chat', 'summary', 'humanInTheLoop', 'humanInTheLoopStatus', 'model_name'] as const;
const TABLES = new Set(['events']);

/** The `events.db` of the hooks observability server, also while it runs. Nothing is written. */
export class OldEvents {
  readonly #file: string;
  readonly #columns: string;

  /** @throws AppError store_corrupt if it is no such file; store_locked */
  constructor(file: string) {
    const there = columnsOf(file, ['events']).get('events') ?? new Set();
    const missing = NEEDED.filter((name) => !there.has(name));
    if (missing.length > 0) {
      throw new AppError('store_corrupt', `${file} is no events.db: its table "events" lacks ${missing.join(', ')}`);
    }
    this.#file = file;
    this.#columns = [...NEEDED, ...LATER.filter((name) => there.has(name))].join(', ');
  }

  /** The same however the file grows and where it lies; null for one without events. */
  identity(): string | null {
    const [first] = this.#rows(0, 1);
    if (!first) return null;
    const said = NEEDED.map((name) => String(first[name]));
    return createHash('sha256').update(JSON.stringify(said)).digest('hex').slice(0, 16);
  }

  /** How many come after. */
  count(after: number): number {
    const sql = 'SELECT count(*) AS count FROM events WHERE id > ?';
    return Number(reading(this.#file, TABLES, (db) => db.prepare(sql).get(after))?.count ?? 0);
  }

  /** The next ones, at most `limit`, by their ids. */
  after(id: number, limit: number): readonly OldEvent[] {
    return this.#rows(id, limit).map(toEvent);
  }

  #rows(after: number, limit: number): readonly Row[] {
    const sql = `SELECT ${this.#columns} FROM events WHERE id > ? ORDER BY id LIMIT ?`;
    return reading(this.#file, TABLES, (db: DatabaseSync) => db.prepare(sql).all(after, limit));
  }
}

function toEvent({ id, ...row }: Row): OldEvent {
  const known = { id: Number(id) };
  try {
    const asked = parsed(row, 'humanInTheLoop');
    const status = parsed(row, 'humanInTheLoopStatus');
    const chat = parsed(row, 'chat');
    return {
      ...known,
      event: {
        source_app: row.source_app,
        session_id: row.session_id,
        hook_event_type: row.hook_event_type,
        payload: parsed(row, 'payload'),
        timestamp: timestampOf(row.timestamp),
        ...(chat !== undefined && { chat }),
        ...(isSaid(row.summary) && { summary: row.summary }),
        ...(isSaid(row.model_name) && { model_name: row.model_name }),
        // Nobody waits for its answer any more: as `humanInTheLoop` it would be asked again.
        ...(asked !== undefined && { past_question: { asked, status } }),
      },
    };
  } catch (error) {
    if (error instanceof SyntaxError) return { ...known, problem: error.message };
    throw error;
  }
}

const isSaid = (value: unknown): boolean => value !== undefined && value !== null && value !== '';

/** The value of a column that holds JSON; undefined for one that holds nothing. */
function parsed(row: Row, column: string): unknown {
  const text = row[column];
  if (text === undefined || text === null || text === '') return undefined;
  try {
    return JSON.parse(String(text));
  } catch (error) {
    // The parser's own words quote the text, which may be a secret.
    throw new SyntaxError(`${column} is not JSON`, { cause: error });
  }
}

/** Columns have no type in practice: a number may be a text. */
const timestampOf = (value: unknown): unknown =>
  typeof value === 'string' && /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : value;
