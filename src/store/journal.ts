import { z } from 'zod';
import { AppError } from '../contract/errors.ts';
import { classOf, Fact, type FactKind, type FactSubject } from '../contract/fact.ts';
import type { Connection, SqlRow } from './connection.ts';

/** Which facts: all that is named must hold. */
export type FactFilter = { readonly kinds?: readonly FactKind[] } & {
  readonly [K in keyof FactSubject]?: NonNullable<FactSubject[K]>;
};

export type FactPage = {
  readonly facts: Fact[];
  /** The cursor of the next page. */
  readonly next: number;
  /** The last position of a kept kind that retention removed: a reader from before it has a gap. 0 = none. */
  readonly prunedTo: number;
};

/** Reads the journal by position. */
export type Journal = {
  /**
   * Facts after `cursor`, oldest first, at most `limit` (200) or 8 MB of them.
   * @throws AppError bad_request for a cursor that this journal never gave
   */
  readonly since: (cursor: number, options?: FactFilter & { readonly limit?: number }) => FactPage;
  /** The newest `n`, oldest of them first. */
  readonly recent: (n: number, filter?: FactFilter) => Fact[];
  /** The position of the newest fact; 0 before the first. */
  readonly head: () => number;
};

const PAGE = 200;
const PAGE_LENGTH = 8_000_000;
const COLUMNS = 'seq, at, kind, projectId, requestId, taskId, attemptId, sessionId, agent, actor, data';
const SUBJECTS = ['sessionId', 'attemptId', 'taskId', 'requestId', 'projectId', 'agent'] as const;

export const PRUNED_TO = 'prunedTo';

export function openJournal(connection: Connection): Journal {
  const head = (): number => connection.number("SELECT seq FROM sqlite_sequence WHERE name = 'fact'");
  const prunedTo = (): number => connection.number('SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?', PRUNED_TO);

  return {
    head,
    since(cursor, { limit = PAGE, ...filter } = {}) {
      const end = head();
      if (!Number.isSafeInteger(cursor) || cursor < 0 || cursor > end) {
        throw new AppError('bad_request', `the cursor ${cursor} is not a position of this journal: 0 to ${end}`);
      }
      const { sql, values } = where(filter);
      const query = `SELECT ${COLUMNS} FROM fact WHERE seq > ? AND seq <= ?${sql} ORDER BY seq LIMIT ?`;
      const facts: Fact[] = [];
      let length = 0;
      for (const row of connection.iterate(query, cursor, end, ...values, limit)) {
        facts.push(toFact(row));
        length += String(row.data).length;
        if (length > PAGE_LENGTH) break;
      }
      const isFull = facts.length >= limit || length > PAGE_LENGTH;
      return { facts, next: isFull ? (facts.at(-1)?.seq ?? cursor) : end, prunedTo: prunedTo() };
    },
    recent(n, filter = {}) {
      const { sql, values } = where(filter);
      const query = `SELECT ${COLUMNS} FROM fact WHERE seq > 0${sql} ORDER BY seq DESC LIMIT ?`;
      return connection
        .all(query, ...values, n)
        .map(toFact)
        .reverse();
    },
  };
}

function where(filter: FactFilter): { sql: string; values: string[] } {
  const subjects = SUBJECTS.filter((name) => filter[name] !== undefined);
  const sql = subjects.map((name) => ` AND ${name} = ?`);
  const values = subjects.map((name): string => filter[name] ?? '');
  if (filter.kinds) {
    // Facts of class `state` have an index by kind.
    if (filter.kinds.every((kind) => classOf(kind) === 'state')) sql.push(" AND class = 'state'");
    sql.push(' AND kind IN (SELECT value FROM json_each(?))');
    values.push(JSON.stringify(filter.kinds));
  }
  return { sql: sql.join(''), values };
}

/** What cannot be read any more stays visible, as a notice in its place: a reader must not stop there for ever. */
function toFact(row: SqlRow): Fact {
  const parsed = Fact.safeParse({ ...row, data: parseJson(String(row.data)) });
  if (parsed.success) return parsed.data;
  const text = `fact ${row.seq} (${row.kind}) cannot be read: ${z.prettifyError(parsed.error)}`;
  return Fact.parse({ ...row, kind: 'notice', data: { level: 'error', text } });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
