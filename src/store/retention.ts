import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';
import type { FactClass } from '../contract/fact.ts';
import type { Connection } from './connection.ts';
import { REPEAT_MS } from './events.ts';
import { PRUNED_TO } from './meta.ts';

/** How long each class of fact is kept, and how large the database may grow. */
export type RetentionLimits = {
  readonly streamMs: number;
  readonly observationMs: number;
  readonly stateMs: number;
  readonly maxBytes: number;
};

export type Pruned = {
  readonly removed: number;
  /** False if the time was up first: go on later. */
  readonly isDone: boolean;
  /** Still over `maxBytes` with nothing left that may be removed for size. */
  readonly isOverSize: boolean;
};

/** Small enough that no other writer waits long: about 5 ms. */
const BATCH = 500;
/** A transcript may be long. */
const CHATS = 20;
/** Pages given back to the file system at once. */
const VACUUM_PAGES = 1_000;

/** Bytes in use, without the pages that are free for new rows. */
export const usedBytes = (connection: Connection): number =>
  (connection.number('PRAGMA page_count') - connection.number('PRAGMA freelist_count')) *
  connection.number('PRAGMA page_size');

/**
 * Removes facts that are past their time, oldest first, then the oldest observations while the database is over its
 * size. Ledger rows are never removed. Works in small transactions and lets others in between them.
 */
export async function prune(
  connection: Connection,
  limits: RetentionLimits,
  budgetMs: number,
  { clock, isClosed }: { readonly clock: Clock; readonly isClosed: () => boolean },
): Promise<Pruned> {
  const start = clock.now();
  const until: Record<FactClass, number> = {
    stream: start - limits.streamMs,
    observation: start - limits.observationMs,
    state: start - limits.stateMs,
  };
  const isOver = (): boolean => usedBytes(connection) > limits.maxBytes;
  /** By their age: once nothing is found, nothing will be. */
  const byAge = [
    () => forgetKeys(connection, until.observation),
    () => forgetEventKeys(connection, start - REPEAT_MS),
    () => forgetSessionNotes(connection, until.observation),
  ];
  const next = (): number => {
    for (let [forget] = byAge; forget !== undefined; [forget] = byAge) {
      const forgotten = forget();
      if (forgotten > 0) return forgotten;
      byAge.shift();
    }
    const forgotten = forgetChats(connection);
    if (forgotten > 0) return forgotten;
    for (const [name, before] of Object.entries(until)) {
      const removed = removeOldest(connection, name as FactClass, before);
      if (removed > 0) return removed;
    }
    if (!isOver()) return 0;
    return removeOldest(connection, 'stream', Infinity) || removeOldest(connection, 'observation', Infinity);
  };
  let removed = 0;
  for (;;) {
    if (isClosed()) return { removed, isDone: false, isOverSize: false };
    const batch = next();
    removed += batch;
    const isDone = batch === 0 && !giveBack(connection);
    if (isDone || clock.now() - start >= budgetMs) return { removed, isDone, isOverSize: isOver() };
    await turn();
  }
}

/** Returns free pages to the file system; false if there was nothing to return. */
function giveBack(connection: Connection): boolean {
  const free = (): number => connection.number('PRAGMA freelist_count');
  const before = free();
  connection.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
  return free() < before;
}

/** Each served by an index: those of a class, and events of outside programs, which are observations too. */
const OF_CLASS = "class = ? AND kind <> 'observed'";
const OF_EVENTS = "class = ? AND kind = 'observed'";

/** One batch of the oldest facts of a class, up to the first that is younger than `before`. */
function removeOldest(connection: Connection, name: FactClass, before: number): number {
  const parts = name === 'observation' ? [OF_CLASS, OF_EVENTS] : [OF_CLASS];
  const oldest = parts
    .flatMap((part) => connection.all(`SELECT seq, at FROM fact WHERE ${part} ORDER BY seq LIMIT ?`, name, BATCH))
    .sort((a, b) => Number(a.seq) - Number(b.seq))
    .slice(0, BATCH);
  const young = oldest.findIndex((fact) => Number(fact.at) >= before);
  const last = (young === -1 ? oldest : oldest.slice(0, young)).at(-1)?.seq;
  if (last === undefined) return 0;
  return connection.transaction(() => {
    // Text on its way is replaced by the whole text: nobody misses it.
    if (name !== 'stream') {
      connection.run(
        `INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE
         SET value = CAST(max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER)) AS TEXT)`,
        PRUNED_TO,
        String(last),
      );
    }
    return parts.reduce(
      (sum, part) => sum + connection.run(`DELETE FROM fact WHERE ${part} AND seq <= ?`, name, last).changes,
      0,
    );
  });
}

/** What was noted of sessions that ended so long ago: nobody takes them up again. */
const forgetSessionNotes = (connection: Connection, before: number): number =>
  connection.transaction(
    () =>
      connection.run(
        `DELETE FROM meta WHERE key IN (
           SELECT key FROM meta JOIN sessions ON sessions.id = substr(key, 6)
           WHERE (key BETWEEN 'told:' AND 'told;' OR key BETWEEN 'turn:' AND 'turn;')
             AND sessions.doc ->> '$.endedAt' < ? LIMIT ?)`,
        before,
        BATCH,
      ).changes,
  );

/** Keys of outside programs that stand for their events no longer. */
const forgetEventKeys = (connection: Connection, before: number): number =>
  connection.transaction(
    () =>
      connection.run(
        `DELETE FROM event_key WHERE (scope, key) IN (SELECT scope, key FROM event_key WHERE at < ? LIMIT ?)`,
        before,
        BATCH,
      ).changes,
  );

/** Transcripts of which no event is left. */
function forgetChats(connection: Connection): number {
  const oldest = connection.get("SELECT min(seq) AS seq FROM fact INDEXED BY fact_observed WHERE kind = 'observed'");
  const before = oldest?.seq ?? Number.MAX_SAFE_INTEGER;
  return connection.transaction(
    () =>
      connection.run('DELETE FROM chat WHERE id IN (SELECT id FROM chat WHERE lastSeq < ? LIMIT ?)', before, CHATS)
        .changes,
  );
}

/** Nobody repeats a command after so long a time. */
function forgetKeys(connection: Connection, before: number): number {
  return connection.transaction(
    () =>
      connection.run(
        `DELETE FROM idempotency WHERE (scope, key) IN
           (SELECT scope, key FROM idempotency WHERE createdAt < ? LIMIT ?)`,
        before,
        BATCH,
      ).changes,
  );
}
