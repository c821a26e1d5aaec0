import { createHash } from 'node:crypto';
import type { EventNotes } from '../contract/event.ts';
import { type FactSubject, NO_SUBJECT } from '../contract/fact.ts';
import type { Connection, SqlRow } from './connection.ts';
import type { EventNames } from './event-names.ts';
import type { Between, EventTimes } from './event-times.ts';
import { type EventUsage, type EventUsageRow, keepUsage, readUsage } from './event-usage.ts';
import type { EncodedFact, FactWriter } from './facts.ts';
import type { FreshEvents } from './fresh-events.ts';
import { PRUNED_TO } from './meta.ts';

/** An event of an outside program: checked, masked and encoded by whoever observed it. */
export type NewEvent = {
  /** ms, when it was received. */
  readonly at: number;
  readonly source: string;
  readonly session: string;
  readonly type: string;
  /** The event as JSON: an object with at least one key, without `gantry` and `chat`. */
  readonly text: string;
  readonly notes: EventNotes;
  /** What it says was used. */
  readonly usage?: EventUsage | null;
  /** Its transcript, each message as JSON; null if it came without. */
  readonly chat: readonly string[] | null;
  /** Makes it the same event as an earlier one of the same scope and key. */
  readonly repeat: { readonly scope: string; readonly key: string } | null;
  readonly actor: string;
};

/** An event, or the change of a question that an event asked, as it is stored. `json` is the fact's data. */
export type EventRow = {
  readonly seq: number;
  readonly at: number;
  readonly kind: 'observed' | 'approval.changed';
  readonly json: string;
} & Pick<FactSubject, 'projectId' | 'taskId' | 'agent'>;

export type EventReader = {
  /** Newest first. With `oldest` the first ones of the range, oldest first. */
  readonly iterate: (range: Between, order: 'newest' | 'oldest') => Iterable<EventRow>;
  /** The narrowest range that holds every event received from `from` on and before `to`, ms; in it may be others. */
  readonly between: (from: number, to: number) => Between;
  readonly get: (seq: number) => EventRow | null;
  /** How many after `after`, up to `to`. */
  readonly count: (after: number, to: number) => number;
  /** What a live reader needs to know after `cursor`: events, and what became of their questions. */
  readonly since: (
    cursor: number,
    limit: number,
  ) => { readonly rows: readonly EventRow[]; readonly next: number; readonly prunedTo: number };
  /** What sessions used on the day of `since`, ms, and after it. It stays when the events themselves are removed. */
  readonly usage: (since: number) => readonly EventUsageRow[];
  /** What filters offer, as JSON. */
  readonly names: () => string;
  /** The first `count` messages of a chat as a JSON array, null if it is no longer kept. */
  readonly chat: (id: number, count: number) => string | null;
};

const PAGE_LENGTH = 8_000_000;
/** How far one reading looks for what may not be there. */
const WINDOW = 20_000;
/** Sessions of senders that are known without looking. */
const MAX_SUBJECTS = 10_000;
/** A sender's key stands for its event for so long. */
export const REPEAT_MS = 86_400_000;

/** As an `EventRow` has them: taking each row apart costs as much as reading it. */
const COLUMNS = 'seq, at, kind, projectId, taskId, agent, data AS json';

const NOBODY = { projectId: null, taskId: null, agent: null };

export function eventReader(
  connection: Connection,
  {
    head,
    names,
    times,
    fresh,
  }: {
    readonly head: () => number;
    readonly names: EventNames;
    readonly times: EventTimes;
    readonly fresh: FreshEvents<EventRow>;
  },
): EventReader {
  const toRow = (row: SqlRow): EventRow => row as EventRow;
  return {
    *iterate({ after, before }, order) {
      const sql = `SELECT ${COLUMNS} FROM fact INDEXED BY fact_observed
        WHERE kind = 'observed' AND seq > ? AND seq < ? ORDER BY seq ${order === 'newest' ? 'DESC' : 'ASC'}`;
      for (const row of connection.iterate(sql, after, before)) yield toRow(row);
    },
    between: (from, to) => times.between(from, to),
    get(seq) {
      const row = connection.get(`SELECT ${COLUMNS} FROM fact WHERE seq = ? AND kind = 'observed'`, seq);
      return row ? toRow(row) : null;
    },
    count(after, to) {
      const sql = "SELECT count(*) FROM fact INDEXED BY fact_observed WHERE kind = 'observed' AND seq > ? AND seq <= ?";
      return connection.number(sql, after, to);
    },
    since(cursor, limit) {
      const newest = head();
      const written = fresh.after(cursor, newest);
      if (written !== null && written.length <= limit) return { rows: written, next: newest, prunedTo: 0 };
      const end = Math.min(newest, cursor + WINDOW);
      const prunedTo = connection.number('SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?', PRUNED_TO);
      const sql = `SELECT ${COLUMNS} FROM fact
        WHERE seq > ? AND seq <= ? AND kind IN ('observed', 'approval.changed') ORDER BY seq LIMIT ?`;
      const rows: EventRow[] = [];
      let length = 0;
      for (const row of connection.iterate(sql, cursor, end, limit)) {
        const event = toRow(row);
        rows.push(event);
        length += event.json.length;
        if (length > PAGE_LENGTH) break;
      }
      const isCut = rows.length >= limit || length > PAGE_LENGTH;
      return { rows, next: isCut ? (rows.at(-1)?.seq ?? cursor) : end, prunedTo };
    },
    usage: (since) => readUsage(connection, since),
    names: () => names.json(),
    chat(id, count) {
      const parts = connection.all(
        'SELECT messages FROM chat_part WHERE chatId = ? AND last <= ? ORDER BY last',
        id,
        count,
      );
      if (parts.length === 0) return null;
      return `[${parts.map(({ messages }) => String(messages).slice(1, -1)).join(',')}]`;
    },
  };
}

/** Writes events inside a transaction: the transcript is kept once, a repeat is not kept at all. */
export class EventWriter {
  readonly #connection: Connection;
  readonly #facts: FactWriter;
  readonly #names: EventNames;
  readonly #times: EventTimes;
  readonly #fresh: FreshEvents<EventRow>;
  /** By native id, between two changes of state. */
  readonly #subjects = new Map<string, FactSubject>();

  constructor(
    connection: Connection,
    {
      facts,
      names,
      times,
      fresh,
    }: {
      readonly facts: FactWriter;
      readonly names: EventNames;
      readonly times: EventTimes;
      readonly fresh: FreshEvents<EventRow>;
    },
  ) {
    this.#connection = connection;
    this.#facts = facts;
    this.#names = names;
    this.#times = times;
    this.#fresh = fresh;
  }

  /** The event's position; of a repeat that of the first. */
  append(event: NewEvent): number {
    const { at } = event;
    const known = event.repeat === null ? null : this.#known(event.repeat, at);
    if (known !== null) return known;
    const chat = event.chat === null || event.chat.length === 0 ? null : this.#keepChat(event, event.chat);
    const notes = JSON.stringify(chat === null ? event.notes : { ...event.notes, chat });
    const subject = this.#subjectOf(event.session);
    // What Gantry's own sessions use is in their rows.
    if (event.usage && subject.sessionId === null) keepUsage(this.#connection, event, event.usage);
    const fact: EncodedFact = {
      kind: 'observed',
      at,
      subject,
      actor: event.actor,
      json: `{"gantry":${notes},${event.text.slice(1)}`,
    };
    const seq = this.#facts.append(fact);
    // Of a session of Gantry's own more is found out as it is written.
    if (subject === NO_SUBJECT) this.#fresh.add({ seq, at, kind: 'observed', json: fact.json, ...NOBODY });
    this.#names.note(event, seq);
    this.#times.note(at, seq);
    if (chat !== null) this.#connection.run('UPDATE chat SET lastSeq = ? WHERE id = ?', seq, chat.id);
    if (event.repeat !== null) {
      const sql = 'INSERT OR REPLACE INTO event_key (scope, key, seq, at) VALUES (?, ?, ?, ?)';
      this.#connection.run(sql, event.repeat.scope, event.repeat.key, seq, at);
    }
    return seq;
  }

  /** Gantry's own session, if the sender is a program of one: its events are found with the task's. */
  #subjectOf(nativeId: string): FactSubject {
    const known = this.#subjects.get(nativeId);
    if (known) return known;
    const sql = `SELECT id AS sessionId, attemptId, agent FROM sessions WHERE nativeId = ? ORDER BY ordinal DESC LIMIT 1`;
    const found = this.#connection.get(sql, nativeId) as Partial<FactSubject> | undefined;
    const subject = found ? { ...NO_SUBJECT, ...found } : NO_SUBJECT;
    if (this.#subjects.size >= MAX_SUBJECTS) this.#subjects.clear();
    this.#subjects.set(nativeId, subject);
    return subject;
  }

  /** Sessions may have changed. */
  forgetSessions(): void {
    this.#subjects.clear();
  }

  #known({ scope, key }: { scope: string; key: string }, at: number): number | null {
    const sql = 'SELECT seq FROM event_key WHERE scope = ? AND key = ? AND at > ?';
    const row = this.#connection.get(sql, scope, key, at - REPEAT_MS);
    return row ? Number(row.seq) : null;
  }

  /** Adds what is new to the session's chat, or begins another if this one tells another story. */
  #keepChat({ source, session }: NewEvent, messages: readonly string[]): { id: number; count: number } {
    const sql = 'SELECT id, count, digest FROM chat WHERE source = ? AND session = ? ORDER BY id DESC LIMIT 1';
    const last = this.#connection.get(sql, source, session);
    const known = Number(last?.count ?? 0);
    const goesOn = last !== undefined && known <= messages.length && digestOf(messages.slice(0, known)) === last.digest;
    const count = messages.length;
    const digest = digestOf(messages);
    const id = goesOn
      ? Number(last.id)
      : this.#connection.run(
          'INSERT INTO chat (source, session, count, digest, lastSeq) VALUES (?, ?, ?, ?, 0)',
          source,
          session,
          count,
          digest,
        ).rowid;
    const from = goesOn ? known : 0;
    if (from === count) return { id, count };
    if (goesOn) this.#connection.run('UPDATE chat SET count = ?, digest = ? WHERE id = ?', count, digest, id);
    const json = `[${messages.slice(from).join(',')}]`;
    this.#connection.run('INSERT INTO chat_part (chatId, last, messages) VALUES (?, ?, ?)', id, count, json);
    return { id, count };
  }
}

function digestOf(messages: readonly string[]): string {
  const hash = createHash('sha256');
  for (const message of messages) hash.update(message).update('\n');
  return hash.digest('base64');
}
