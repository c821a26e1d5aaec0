import { z } from 'zod';
import { AppError } from '../contract/errors.ts';
import { TokenInfo } from '../contract/shapes.ts';
import type { Connection, SqlRow } from './connection.ts';

/** A token as it is kept: never itself, only its hash. */
export const TokenRecord = TokenInfo.extend({
  /** SHA-256 of the token, hex. */
  hash: z.string(),
  revokedAt: z.number().nullable(),
  /** The token whose end is the end of this one too. */
  under: z.string().nullable().default(null),
});
export type TokenRecord = z.infer<typeof TokenRecord>;

/** A program that was started, recorded before it exists. */
export const ProcessRecord = z.object({
  id: z.string(),
  /** What it is: `opencode-server`, `fake-agent`, `command`, … */
  kind: z.string(),
  /** A text in the program's environment or arguments by which it is found when its identity was never learned. */
  marker: z.string(),
  /** Null until the program runs. */
  identity: z.object({ pid: z.number().int(), startTime: z.string() }).nullable(),
  data: z.unknown(),
  createdAt: z.number(),
});
export type ProcessRecord = z.infer<typeof ProcessRecord>;

export type OutboxItem = {
  readonly id: number;
  readonly channel: string;
  /** The items of a lane are delivered one after the other. */
  readonly lane: string;
  readonly key: string;
  readonly payload: unknown;
  readonly notBefore: number;
  /** ms; after it nobody wants the item. Null = never. */
  readonly expiresAt: number | null;
  readonly tries: number;
  readonly lastError: string | null;
  readonly createdAt: number;
};

/** What a command with an idempotency key did. `output` null: it was begun, its end is not known. */
export type IdempotencyRecord = {
  readonly inputHash: string;
  readonly output: string | null;
  readonly createdAt: number;
};

/** Key in `meta` of the last fencing number. */
const FENCE = 'store.fence';

/** Reads what the store keeps beside the ledger. */
export type RecordReader = {
  readonly meta: { readonly get: (key: string) => string | null };
  readonly idempotency: { readonly get: (scope: string, key: string) => IdempotencyRecord | null };
  readonly tokens: {
    readonly get: (id: string) => TokenRecord | null;
    /** Expired and revoked ones too: the caller looks at the times. */
    readonly getByHash: (hash: string) => TokenRecord | null;
    readonly list: () => TokenRecord[];
  };
  readonly processes: {
    readonly get: (id: string) => ProcessRecord | null;
    readonly list: () => ProcessRecord[];
  };
  readonly outbox: {
    /** The first item of every lane, if it is due, oldest first. */
    readonly take: (channel: string, limit: number) => OutboxItem[];
    /** What waits, due or not, oldest first; at most 10,000. */
    readonly list: (channel: string) => OutboxItem[];
    /** What waits under a key. */
    readonly get: (channel: string, key: string) => OutboxItem | null;
    readonly count: (channel: string) => number;
    /** What is due, or was refused before: not what is to be told later. */
    readonly backlog: (channel: string) => number;
    /** When the first item of a lane is due next, ms; null if none waits. */
    readonly nextAt: (channel: string) => number | null;
    /** When the oldest item was added, ms; null if none waits. */
    readonly oldestAt: (channel: string) => number | null;
  };
};

export type RecordWriter = {
  /** Small values of whoever writes; keys that begin with `store.` are the store's own. */
  readonly meta: RecordReader['meta'] & {
    readonly set: (key: string, value: string) => void;
    /** Removing what is not there changes nothing. */
    readonly remove: (key: string) => void;
  };
  readonly idempotency: RecordReader['idempotency'] & {
    /** Takes the place of what was put under the key before. */
    readonly put: (scope: string, key: string, record: Omit<IdempotencyRecord, 'createdAt'>) => void;
    /** The key is free again. */
    readonly remove: (scope: string, key: string) => void;
  };
  readonly tokens: RecordReader['tokens'] & {
    /** @throws AppError conflict if id or hash are there already */
    readonly put: (token: TokenRecord) => void;
    /** @throws AppError not_found */
    readonly revoke: (id: string) => TokenRecord;
    /** Notes that it was used now. @throws AppError not_found */
    readonly touch: (id: string) => void;
  };
  readonly processes: RecordReader['processes'] & {
    readonly put: (process: ProcessRecord) => void;
    /** @throws AppError not_found */
    readonly patch: (id: string, patch: Partial<Pick<ProcessRecord, 'identity' | 'data'>>) => ProcessRecord;
    /** Removing what is not there changes nothing. */
    readonly remove: (id: string) => void;
  };
  readonly outbox: RecordReader['outbox'] & {
    /**
     * An item that waits under the same key is replaced: it is newer and goes to the end of its lane. What the old one
     * was refused for holds on: it is tried again no earlier.
     */
    readonly add: (item: {
      readonly channel: string;
      /** Default: a lane of its own. */
      readonly lane?: string;
      readonly key: string;
      readonly payload: unknown;
      readonly notBefore?: number;
      readonly expiresAt?: number | null;
    }) => void;
    /** It was delivered, or never will be. An item that was replaced meanwhile stays. */
    readonly remove: (id: number) => void;
    /** Delivery failed: what waits under the key is due again at `notBefore`. */
    readonly retry: (item: Pick<OutboxItem, 'channel' | 'key'>, notBefore: number, error: string) => void;
    /** Nothing waits for the channel any more. */
    readonly clear: (channel: string) => void;
  };
  /** A new fencing number: greater than every one before, over the whole life of the database. */
  readonly nextFence: () => number;
};

const FIRST_OF_LANES = `FROM outbox AS item WHERE channel = ? AND NOT EXISTS (
  SELECT 1 FROM outbox WHERE channel = item.channel AND lane = item.lane AND id < item.id)`;

const toItem = (row: SqlRow): OutboxItem =>
  ({ ...row, payload: JSON.parse(String(row.payload)) }) as unknown as OutboxItem;

const timeIn = (row: SqlRow | undefined): number | null =>
  row?.at === null || row?.at === undefined ? null : Number(row.at);

export function recordReader(connection: Connection, now: () => number): RecordReader {
  const one = <T>(schema: z.ZodType<T>, sql: string, value: string): T | null => {
    const row = connection.get(sql, value);
    return row ? decode(schema, row) : null;
  };
  return {
    meta: {
      get: (key) => {
        const row = connection.get('SELECT value FROM meta WHERE key = ?', key);
        return row ? String(row.value) : null;
      },
    },
    idempotency: {
      get: (scope, key) => {
        const sql = 'SELECT inputHash, output, createdAt FROM idempotency WHERE scope = ? AND key = ?';
        return (connection.get(sql, scope, key) ?? null) as IdempotencyRecord | null;
      },
    },
    tokens: {
      get: (id) => one(TokenRecord, 'SELECT doc FROM tokens WHERE id = ?', id),
      getByHash: (hash) => one(TokenRecord, 'SELECT doc FROM tokens WHERE hash = ?', hash),
      list: () => connection.all('SELECT doc FROM tokens ORDER BY id').map((row) => decode(TokenRecord, row)),
    },
    processes: {
      get: (id) => one(ProcessRecord, 'SELECT doc FROM processes WHERE id = ?', id),
      list: () => connection.all('SELECT doc FROM processes ORDER BY id').map((row) => decode(ProcessRecord, row)),
    },
    outbox: {
      take: (channel, limit) =>
        connection
          .all(`SELECT * ${FIRST_OF_LANES} AND notBefore <= ? ORDER BY id LIMIT ?`, channel, now(), limit)
          .map(toItem),
      list: (channel) =>
        connection.all('SELECT * FROM outbox WHERE channel = ? ORDER BY id LIMIT 10000', channel).map(toItem),
      get: (channel, key) => {
        const row = connection.get('SELECT * FROM outbox WHERE channel = ? AND key = ?', channel, key);
        return row ? toItem(row) : null;
      },
      count: (channel) => connection.number('SELECT count(*) FROM outbox WHERE channel = ?', channel),
      backlog: (channel) => {
        const sql = 'SELECT count(*) FROM outbox WHERE channel = ? AND (notBefore <= ? OR tries > 0)';
        return connection.number(sql, channel, now());
      },
      nextAt: (channel) => timeIn(connection.get(`SELECT min(notBefore) AS at ${FIRST_OF_LANES}`, channel)),
      oldestAt: (channel) =>
        timeIn(connection.get('SELECT min(createdAt) AS at FROM outbox WHERE channel = ?', channel)),
    },
  };
}

export function recordWriter(connection: Connection, now: () => number): RecordWriter {
  const reader = recordReader(connection, now);
  const write = (sql: string, ...values: (string | number | null)[]): void => {
    if (!connection.isWriting) throw new AppError('internal', 'the store was changed outside of a commit');
    connection.run(sql, ...values);
  };
  const setMeta = (key: string, value: string): void =>
    write('INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value', key, value);
  const changeToken = (id: string, patch: Partial<TokenRecord>): TokenRecord => {
    const token = valid(TokenRecord, { ...needed(reader.tokens.get(id), `token ${id}`), ...patch });
    write('UPDATE tokens SET doc = ? WHERE id = ?', JSON.stringify(token), id);
    return token;
  };
  return {
    meta: { ...reader.meta, set: setMeta, remove: (key) => write('DELETE FROM meta WHERE key = ?', key) },
    idempotency: {
      ...reader.idempotency,
      put: (scope, key, { inputHash, output }) =>
        write('INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)', scope, key, inputHash, output, now()),
      remove: (scope, key) => write('DELETE FROM idempotency WHERE scope = ? AND key = ?', scope, key),
    },
    tokens: {
      ...reader.tokens,
      put: (token) => {
        const doc = JSON.stringify(valid(TokenRecord, token));
        write('INSERT INTO tokens (id, hash, doc) VALUES (?, ?, ?)', token.id, token.hash, doc);
      },
      revoke: (id) => changeToken(id, { revokedAt: now() }),
      touch: (id) => void changeToken(id, { lastUsedAt: now() }),
    },
    processes: {
      ...reader.processes,
      put: (process) =>
        write(
          'INSERT INTO processes (id, doc) VALUES (?, ?)',
          process.id,
          JSON.stringify(valid(ProcessRecord, process)),
        ),
      patch: (id, patch) => {
        const process = valid(ProcessRecord, { ...needed(reader.processes.get(id), `process ${id}`), ...patch });
        write('UPDATE processes SET doc = ? WHERE id = ?', JSON.stringify(process), id);
        return process;
      },
      remove: (id) => write('DELETE FROM processes WHERE id = ?', id),
    },
    outbox: {
      ...reader.outbox,
      add: ({ channel, key, lane = key, payload, notBefore = 0, expiresAt = null }) => {
        const before = reader.outbox.get(channel, key);
        const tries = before?.tries ?? 0;
        write(
          `INSERT OR REPLACE INTO outbox
             (channel, lane, key, payload, notBefore, expiresAt, tries, lastError, createdAt)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          channel,
          lane,
          key,
          JSON.stringify(payload),
          before !== null && tries > 0 ? Math.max(before.notBefore, notBefore) : notBefore,
          expiresAt,
          tries,
          before?.lastError ?? null,
          now(),
        );
      },
      remove: (id) => write('DELETE FROM outbox WHERE id = ?', id),
      retry: ({ channel, key }, notBefore, error) =>
        write(
          'UPDATE outbox SET tries = tries + 1, notBefore = ?, lastError = ? WHERE channel = ? AND key = ?',
          notBefore,
          error,
          channel,
          key,
        ),
      clear: (channel) => write('DELETE FROM outbox WHERE channel = ?', channel),
    },
    nextFence: () => {
      const fence = Number(reader.meta.get(FENCE) ?? 0) + 1;
      setMeta(FENCE, String(fence));
      return fence;
    },
  };
}

function decode<T>(schema: z.ZodType<T>, row: SqlRow): T {
  const parsed = schema.safeParse(JSON.parse(String(row.doc)));
  if (parsed.success) return parsed.data;
  throw new AppError('store_corrupt', `a record cannot be read: ${z.prettifyError(parsed.error)}`);
}

function valid<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new AppError('internal', `a record is not valid: ${z.prettifyError(parsed.error)}`);
}

function needed<T>(found: T | null, what: string): T {
  if (found === null) throw new AppError('not_found', `there is no ${what}`);
  return found;
}
