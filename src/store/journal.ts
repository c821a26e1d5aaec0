import { setImmediate as turn } from 'node:timers/promises';
import { z } from 'zod';
import { AppError } from '../contract/errors.ts';
import { classOf, Fact, type FactFilter } from '../contract/fact.ts';
import type { RequestId } from '../contract/ids.ts';
import type { Connection, SqlRow } from './connection.ts';
import { PRUNED_TO } from './meta.ts';

export type FactPage = {
  readonly facts: Fact[];
  /** The cursor of the next page. */
  readonly next: number;
  /** The last position of a kept kind that retention removed: a reader from before it has a gap. 0 = none. */
  readonly prunedTo: number;
};

export type Newest = {
  /** Oldest first. */
  readonly facts: Fact[];
  /** There may be older ones: they are as many as were asked for, or 8 MB. */
  readonly isCut: boolean;
};

/** Reads the journal by position. */
export type Journal = {
  /**
   * Facts after `cursor`, oldest first, at most `limit` (200) or 8 MB of them. A page may be short, even empty, before
   * the end: go on until `next` is the head.
   * @throws AppError bad_request for a cursor that this journal never gave
   */
  readonly since: (cursor: number, options?: FactFilter & { readonly limit?: number }) => FactPage;
  /** The newest `n` or 8 MB of them, oldest first; with a filter that no index serves, of the newest 100,000 (`sources`: 20,000). */
  readonly recent: (n: number, filter?: FactFilter) => Fact[];
  /** The same of all that is kept, however far back: lets others in between its reads. Later facts are not in it. */
  readonly newest: (n: number, filter?: FactFilter) => Promise<Newest>;
  /** The facts of which `taskEventOf` makes an event: how many a request has, and the position of the one after `offset` others. */
  readonly taskEvents: (
    requestId: RequestId,
    offset: number,
  ) => { readonly total: number; readonly seq: number | null };
  /** The newest `n` of these facts, oldest first. */
  readonly recentTaskEvents: (requestId: RequestId, n: number) => Fact[];
  /** The end of the newest turn of a request. */
  readonly lastTurn: (requestId: RequestId) => Fact | undefined;
  /** The position of the newest fact; 0 before the first. */
  readonly head: () => number;
};

const PAGE = 200;
const PAGE_LENGTH = 8_000_000;
/** How many facts are looked at, at once, if no index serves the filter: about 40 ms. */
const WINDOW = 100_000;
/** The same of events, whose source is within their JSON. */
const EVENT_WINDOW = 20_000;
const COLUMNS = 'seq, at, kind, projectId, requestId, taskId, attemptId, sessionId, agent, actor, data';
const SUBJECTS = ['sessionId', 'taskId', 'requestId', 'attemptId', 'projectId', 'agent'] as const;

/** As in the index `fact_taskEvent`, word for word: SQLite uses it for nothing else. */
const IS_TASK_EVENT = `INDEXED BY fact_taskEvent WHERE requestId IS NOT NULL AND (
  kind IN ('text', 'tool.ended', 'retrying', 'check.ran', 'delegation.message')
  OR (kind = 'attempt.changed' AND (data ->> '$.from') = 'starting' AND (data ->> '$.to') = 'working')
  OR (kind = 'approval.changed' AND (data ->> '$.from') IS NOT (data ->> '$.to'))
  OR (kind = 'request.changed' AND (data ->> '$.from') IS NOT (data ->> '$.to') AND (
    (data ->> '$.to') IN ('paused', 'done', 'failed', 'cancelled')
    OR ((data ->> '$.to') = 'running' AND (data ->> '$.from') = 'paused')
  ))
) AND requestId = ?`;
const IS_TURN = "INDEXED BY fact_turn WHERE requestId IS NOT NULL AND kind = 'turn.ended' AND requestId = ?";
/** `kind` literally, for SQLite to see that the index of observed events serves it. */
const IS_OF_APP = "kind = 'observed' AND (data ->> '$.source_app') IN (SELECT value FROM json_each(?))";

export function openJournal(connection: Connection, head: Journal['head']): Journal {
  const prunedTo = (): number => connection.number('SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?', PRUNED_TO);

  /** What each stretch holds of the newest `n`, newest first, until there are so many, or 8 MB. */
  function* backwards(n: number, filter: FactFilter): Generator<Newest, undefined, undefined> {
    const { sql, values, index, window } = search(filter);
    const query = `${index} WHERE seq > ? AND seq <= ?${sql} ORDER BY seq DESC`;
    let [limit, room] = [n, PAGE_LENGTH];
    for (let end = head(); ; end -= window) {
      const page = read(connection, query, [Math.max(0, end - window), end, ...values], limit, room);
      yield page;
      if (page.isCut || end <= window) return undefined;
      limit -= page.facts.length;
      room -= page.length;
    }
  }

  return {
    head,
    since(cursor, { limit = PAGE, ...filter } = {}) {
      const newest = head();
      if (!Number.isSafeInteger(cursor) || cursor < 0 || cursor > newest) {
        throw new AppError('bad_request', `the cursor ${cursor} is not a position of this journal: 0 to ${newest}`);
      }
      const { sql, values, index, window } = search(filter);
      const end = Math.min(newest, cursor + window);
      const query = `${index} WHERE seq > ? AND seq <= ?${sql} ORDER BY seq`;
      const { facts, isCut } = read(connection, query, [cursor, end, ...values], limit);
      return { facts, next: isCut ? (facts.at(-1)?.seq ?? cursor) : end, prunedTo: prunedTo() };
    },
    recent: (n, filter = {}) => backwards(n, filter).next().value?.facts.toReversed() ?? [],
    async newest(n, filter = {}) {
      const found: Fact[] = [];
      let isCut = false;
      for (const page of backwards(n, filter)) {
        found.push(...page.facts);
        ({ isCut } = page);
        await turn();
      }
      return { facts: found.reverse(), isCut };
    },
    taskEvents(requestId, offset) {
      const total = connection.number(`SELECT COUNT(*) FROM fact ${IS_TASK_EVENT}`, requestId);
      if (offset >= total) return { total, seq: null };
      const query = `SELECT seq FROM fact ${IS_TASK_EVENT} ORDER BY seq LIMIT 1 OFFSET ?`;
      return { total, seq: connection.number(query, requestId, offset) };
    },
    recentTaskEvents: (requestId, n) =>
      read(connection, `${IS_TASK_EVENT} ORDER BY seq DESC`, [requestId], n).facts.reverse(),
    lastTurn: (requestId) => read(connection, `${IS_TURN} ORDER BY seq DESC`, [requestId], 1).facts[0],
  };
}

/** At most `limit` facts or `room` characters of them; `isCut` if there may be more. */
function read(
  connection: Connection,
  query: string,
  values: readonly (string | number)[],
  limit: number,
  room = PAGE_LENGTH,
) {
  if (!(limit >= 1)) throw new AppError('bad_request', `a page of ${limit} facts was asked for: 1 is the least`);
  const facts: Fact[] = [];
  let length = 0;
  for (const row of connection.iterate(`SELECT ${COLUMNS} FROM fact ${query} LIMIT ?`, ...values, limit)) {
    length += String(row.data).length;
    facts.push(toFact(row));
    if (length > room) break;
  }
  return { facts, length, isCut: facts.length >= limit || length > room };
}

type Search = {
  /** Conditions, each with its value. */
  readonly sql: string;
  readonly values: string[];
  /** INDEXED BY and the index that serves them, or ''. */
  readonly index: string;
  /** How many positions are looked at, at once. */
  readonly window: number;
};

function search({ kinds, classes, actors, sources, ...ids }: FactFilter): Search {
  const subjects = SUBJECTS.filter((name) => ids[name] !== undefined);
  const conditions = subjects.map((name): [sql: string, value: string] => [`${name} = ?`, ids[name] ?? '']);
  if (subjects[0] === 'attemptId') {
    // Every fact of an attempt names its task.
    conditions.push(['taskId = (SELECT taskId FROM attempts WHERE id = ?)', ids.attemptId ?? '']);
  }
  if (kinds) conditions.push(['kind IN (SELECT value FROM json_each(?))', JSON.stringify(kinds)]);
  if (classes) conditions.push(['class IN (SELECT value FROM json_each(?))', JSON.stringify(classes)]);
  if (actors) conditions.push(['actor IN (SELECT value FROM json_each(?))', JSON.stringify(actors)]);
  if (sources) conditions.push([IS_OF_APP, JSON.stringify(sources)]);
  const [kind] = kinds ?? [];
  const isStateKind = kinds?.length === 1 && kind !== undefined && classOf(kind) === 'state';
  return {
    // Literally, for SQLite to see that the index of the kinds of this class serves it.
    sql: conditions.map(([sql]) => ` AND ${sql}`).join('') + (isStateKind ? " AND class = 'state'" : ''),
    values: conditions.map(([, value]) => value),
    ...(conditions.length === 0 ? { index: '', window: Infinity } : indexFor(subjects[0], isStateKind, sources)),
  };
}

function indexFor(
  subject: (typeof SUBJECTS)[number] | undefined,
  isStateKind: boolean,
  sources: FactFilter['sources'],
): Pick<Search, 'index' | 'window'> {
  switch (subject) {
    case 'sessionId':
    case 'taskId':
    case 'requestId':
      return { index: `INDEXED BY fact_${subject}`, window: Infinity };
    case 'attemptId':
      return { index: 'INDEXED BY fact_taskId', window: Infinity };
    default:
      if (sources !== undefined) return { index: 'INDEXED BY fact_observed', window: EVENT_WINDOW };
      if (subject === undefined && isStateKind) return { index: 'INDEXED BY fact_kind', window: Infinity };
      return { index: '', window: WINDOW };
  }
}

/** What cannot be read any more stays visible, as a notice in its place: a reader must not stop there for ever. */
function toFact(row: SqlRow): Fact {
  // Copying the row would cost as much as checking it.
  const parsed = Fact.safeParse(Object.assign(row, { data: parseJson(String(row.data)) }));
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
