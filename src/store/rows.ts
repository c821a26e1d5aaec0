import { z } from 'zod';
import { AppError } from '../contract/errors.ts';
import type { FactSubject } from '../contract/fact.ts';
import type { Connection } from './connection.ts';
import type { BaseRow, Entity } from './entities.ts';
import { encodeRowFact, type FactWriter } from './facts.ts';

/** Who changed a row and why. `subject` overrides what the row itself says about the fact's subject. */
export type Meta = {
  readonly actor: string;
  readonly cause?: string | null;
  readonly subject?: Partial<FactSubject>;
};

/** A column with the value, or one of the values, that it must have; null finds rows without one. */
export type Where<R, C extends keyof R> = { readonly [K in C]?: R[K] | readonly NonNullable<R[K]>[] };

export type ListFilter<R, C extends keyof R> = Where<R, C> & {
  readonly limit?: number;
  /** The id of the row to go on from, in the order that is asked for. */
  readonly after?: string;
  /** By creation; default `asc`. */
  readonly order?: 'asc' | 'desc';
};

/** Reads one table of the ledger. Every row is checked with its schema. */
export type RowReader<R extends BaseRow, C extends keyof R & string> = {
  readonly get: (id: string) => R | null;
  /** @throws AppError not_found */
  readonly need: (id: string) => R;
  /** @throws AppError bad_request if `after` names no row */
  readonly list: (filter?: ListFilter<R, C>) => R[];
  readonly count: (where?: Where<R, C>) => number;
};

/** What `update` may change: everything but the identity, the state and the times that the store keeps. */
export type Patch<R extends BaseRow> = Partial<Omit<R, 'id' | 'state' | 'createdAt' | 'updatedAt'>>;

/** Changes rows of one table; each change writes its `<entity>.changed` fact in the same transaction. */
export type RowWriter<R extends BaseRow, C extends keyof R & string> = RowReader<R, C> & {
  /** @throws AppError conflict if the id is taken; not_found if what it belongs to is not there */
  readonly insert: (row: R, meta: Meta) => R;
  /**
   * Compare and set: from one of the states `from` to `to`, if the contract allows it. A row that has a `cause` gets
   * the patch's, else the meta's, else null.
   * @throws AppError not_found; illegal_move (details: id, found, wanted, accepted)
   */
  readonly move: (
    id: string,
    from: R['state'] | readonly R['state'][],
    to: R['state'],
    patch: Patch<R>,
    meta: Meta,
  ) => R;
  /** @throws AppError not_found */
  readonly update: (id: string, patch: Patch<R>, meta: Meta) => R;
};

type Columns = Readonly<Record<string, string | number | boolean | null | readonly string[] | undefined>>;

export function rowReader<R extends BaseRow, C extends keyof R & string>(
  connection: Connection,
  entity: Entity<R, C>,
): RowReader<R, C> {
  const { table } = entity;
  const word = entity.kind.replace('.changed', '');

  const get = (id: string): R | null => {
    const found = connection.get(`SELECT doc FROM ${table} WHERE id = ?`, id);
    return found ? parseRow(entity, String(found.doc)) : null;
  };
  return {
    get,
    need(id) {
      const row = get(id);
      if (row === null) throw new AppError('not_found', `there is no ${word} ${id}`, { details: { id } });
      return row;
    },
    list(filter = {}) {
      const { limit = -1, after, order = 'asc', ...where } = filter;
      const { sql, values } = conditions(entity.columns, where as Columns);
      if (after !== undefined) {
        const from = connection.get(`SELECT ordinal FROM ${table} WHERE id = ?`, after);
        if (!from) throw new AppError('bad_request', `cursor: there is no ${word} ${after}`);
        sql.push(`ordinal ${order === 'asc' ? '>' : '<'} ?`);
        values.push(Number(from.ordinal));
      }
      const text = `SELECT doc FROM ${table}${clause(sql)} ORDER BY ordinal ${order} LIMIT ?`;
      return connection.all(text, ...values, limit).map((found) => parseRow(entity, String(found.doc)));
    },
    count(where = {}) {
      const { sql, values } = conditions(entity.columns, where as Columns);
      return connection.number(`SELECT count(*) FROM ${table}${clause(sql)}`, ...values);
    },
  };
}

const clause = (sql: readonly string[]): string => (sql.length > 0 ? ` WHERE ${sql.join(' AND ')}` : '');

/** Values go in as one JSON array, so that there is one statement for every number of values. */
function conditions(columns: readonly string[], where: Columns): { sql: string[]; values: (string | number)[] } {
  const sql: string[] = [];
  const values: (string | number)[] = [];
  for (const [column, value] of Object.entries(where)) {
    if (value === undefined) continue;
    if (!columns.includes(column)) {
      throw new AppError('bad_request', `rows are not found by ${column}, but by: ${columns.join(', ')}`);
    }
    if (value === null) sql.push(`"${column}" IS NULL`);
    else if (Array.isArray(value)) {
      sql.push(`"${column}" IN (SELECT value FROM json_each(?))`);
      values.push(JSON.stringify(value));
    } else {
      sql.push(`"${column}" = ?`);
      values.push(String(value));
    }
  }
  return { sql, values };
}

function parseRow<R extends BaseRow, C extends keyof R & string>(entity: Entity<R, C>, doc: string): R {
  const parsed = entity.schema.safeParse(JSON.parse(doc));
  if (parsed.success) return parsed.data;
  const id = /"id":"([^"]*)"/.exec(doc)?.[1] ?? 'without id';
  throw new AppError('store_corrupt', `${entity.table} ${id} cannot be read: ${z.prettifyError(parsed.error)}`);
}

type Writing = { readonly connection: Connection; readonly facts: FactWriter; readonly now: () => number };

export function rowWriter<R extends BaseRow, C extends keyof R & string>(
  { connection, facts, now }: Writing,
  entity: Entity<R, C>,
): RowWriter<R, C> {
  const { table, moves } = entity;
  const reader = rowReader(connection, entity);

  const checked = (row: unknown): R => {
    if (!connection.isWriting) throw new AppError('internal', `${table} were changed outside of a commit`);
    const parsed = entity.schema.safeParse(row);
    if (parsed.success) return parsed.data;
    throw new AppError('internal', `a row of ${table} is not valid: ${z.prettifyError(parsed.error)}`);
  };
  /** Encodes the fact before `write` changes the row: neither happens without the other. */
  const change = (from: R['state'] | null, row: R, cause: string | null, meta: Meta, write: () => void): R => {
    const exact = Object.fromEntries(entity.columns.map((column) => [column, row[column]]));
    const about = { subject: { ...entity.subject(row), ...meta.subject }, actor: meta.actor, at: now() };
    const fact = encodeRowFact(entity.kind, { from, to: row.state, cause, row }, exact, about);
    write();
    facts.append(fact);
    return row;
  };
  const replace = (before: R, next: unknown, cause: string | null, meta: Meta): R => {
    const row = checked(next);
    return change(before.state, row, cause, meta, () => {
      const sql = `UPDATE ${table} SET doc = ? WHERE id = ? AND state = ?`;
      const { changes } = connection.run(sql, JSON.stringify(row), before.id, before.state);
      if (changes !== 1) throw new AppError('internal', `${before.id} changed while it was being changed`);
    });
  };
  return {
    ...reader,
    insert(row, meta) {
      const valid = checked(row);
      return change(null, valid, meta.cause ?? causeOf(valid), meta, () =>
        connection.run(`INSERT INTO ${table} (doc) VALUES (?)`, JSON.stringify(valid)),
      );
    },
    move(id, from, to, patch, meta) {
      const before = reader.need(id);
      const found: R['state'] = before.state;
      const named: readonly R['state'][] = Array.isArray(from) ? from : [from];
      const accepted = named.filter((state) => moves[state].includes(to));
      if (!accepted.includes(found)) {
        const rule =
          accepted.length > 0
            ? `only what is ${accepted.join(' or ')} may become ${to}`
            : `what is ${named.join(' or ')} may never become ${to}`;
        throw new AppError('illegal_move', `${id} is ${found}: ${rule}`, {
          details: { id, found, wanted: to, accepted },
        });
      }
      const cause = causeOf(patch) ?? meta.cause ?? null;
      const reason = 'cause' in before ? { cause } : {};
      const next = { ...before, ...patch, ...reason, id, state: to, createdAt: before.createdAt, updatedAt: now() };
      return replace(before, next, cause, meta);
    },
    update(id, patch, meta) {
      const before = reader.need(id);
      const { state, createdAt } = before;
      const next = { ...before, ...patch, id, state, createdAt, updatedAt: now() };
      return replace(before, next, meta.cause ?? null, meta);
    },
  };
}

const causeOf = (row: object): string | null => ('cause' in row && typeof row.cause === 'string' ? row.cause : null);
