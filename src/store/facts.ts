import { z } from 'zod';
import { redact } from '../base/redact.ts';
import { AppError } from '../contract/errors.ts';
import { classOf, FACTS, type FactData, type FactKind, FactSubject, NO_SUBJECT } from '../contract/fact.ts';
import type { Connection } from './connection.ts';
import type { RowFactKind } from './entities.ts';

/** Kinds that are recorded by themselves: every kind but those that a changed row or an outside program's event writes. */
export type RecordedKind = Exclude<FactKind, RowFactKind | 'observed'>;

/** A fact to be observed; position and time come from the store. */
export type NewFact = {
  readonly [K in RecordedKind]: {
    readonly kind: K;
    readonly data: FactData<K>;
    readonly subject: Partial<FactSubject>;
    readonly actor: string;
  };
}[RecordedKind];

/** A fact ready to be written: checked, redacted, encoded. */
export type EncodedFact = {
  readonly kind: FactKind;
  readonly at: number;
  readonly subject: FactSubject;
  readonly actor: string;
  readonly json: string;
};

/** UTF-16 units of the data of one fact as JSON: whoever reads a page holds some of them in memory. */
const MAX_FACT_LENGTH = 4_000_000;
/** Deeper values cannot be passed on safely by every reader. */
const MAX_DEPTH = 200;

/**
 * Checks the data by its kind, masks its secrets and encodes it.
 * @throws AppError too_large for data over 4 MB or nested deeper than 200 levels; internal if it does not fit the kind
 */
export function encodeFact(fact: NewFact, at: number): EncodedFact {
  if (isDeeperThan(fact.data, MAX_DEPTH)) {
    throw new AppError('too_large', `the data of ${fact.kind} is nested deeper than ${MAX_DEPTH} levels`);
  }
  const parsed = FACTS[fact.kind].safeParse(fact.data);
  if (!parsed.success) {
    throw new AppError('internal', `a ${fact.kind} was recorded wrongly: ${z.prettifyError(parsed.error)}`);
  }
  const json = JSON.stringify(redact(parsed.data));
  if (json.length > MAX_FACT_LENGTH) {
    const size = `${json.length} characters, allowed are ${MAX_FACT_LENGTH}`;
    throw new AppError('too_large', `the data of ${fact.kind} has ${size}`);
  }
  return { kind: fact.kind, at, subject: checkedSubject(fact.subject, fact.kind), actor: fact.actor, json };
}

/** The fact of a changed row. `exact` are the fields of the row that masking must not touch; the row bounds its size. */
export function encodeRowFact(
  kind: RowFactKind,
  change: { readonly from: string | null; readonly to: string; readonly cause: string | null; readonly row: object },
  exact: object,
  about: { readonly subject: Partial<FactSubject>; readonly actor: string; readonly at: number },
): EncodedFact {
  const { from, to, cause, row } = change;
  const json = JSON.stringify({ from, to, cause: redact(cause), row: { ...redact(row), ...exact } });
  return { kind, at: about.at, subject: checkedSubject(about.subject, kind), actor: about.actor, json };
}

function checkedSubject(subject: Partial<FactSubject>, kind: FactKind): FactSubject {
  const parsed = FactSubject.safeParse({ ...NO_SUBJECT, ...subject });
  if (parsed.success) return parsed.data;
  throw new AppError('internal', `a ${kind} has a wrong subject: ${z.prettifyError(parsed.error)}`);
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const inner of Object.values(value)) {
    if (isDeeperThan(inner, levels - 1)) return true;
  }
  return false;
}

/** Writes facts inside a transaction and knows the last position that was given. */
export class FactWriter {
  readonly #connection: Connection;
  #last: number | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The newest position that was ever given, 0 before the first. Asked each time: another process may have written. */
  readonly head = (): number => this.#connection.number("SELECT seq FROM sqlite_sequence WHERE name = 'fact'");

  append(fact: EncodedFact): number {
    const s = this.#withParents(fact.subject);
    this.#last = this.#connection.run(
      `INSERT INTO fact (at, kind, class, projectId, requestId, taskId, attemptId, sessionId, agent, actor, data)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      fact.at,
      fact.kind,
      classOf(fact.kind),
      s.projectId,
      s.requestId,
      s.taskId,
      s.attemptId,
      s.sessionId,
      s.agent,
      fact.actor,
      fact.json,
    ).rowid;
    return this.#last;
  }

  /** The last position since the last call, null if nothing was appended. Call it after every transaction. */
  takeLast(): number | null {
    const last = this.#last;
    this.#last = null;
    return last;
  }

  /** An attempt belongs to a task, a task to a request, a request to a project: what the writer left out is looked up. */
  #withParents(subject: FactSubject): FactSubject {
    let s = subject;
    if (s.attemptId !== null && (s.taskId === null || s.requestId === null)) {
      s = this.#fill(s, 'SELECT taskId, requestId FROM attempts WHERE id = ?', s.attemptId);
    }
    if (s.taskId !== null && (s.requestId === null || s.projectId === null)) {
      s = this.#fill(s, 'SELECT requestId, projectId FROM tasks WHERE id = ?', s.taskId);
    }
    if (s.requestId !== null && s.projectId === null) {
      s = this.#fill(s, 'SELECT projectId FROM requests WHERE id = ?', s.requestId);
    }
    return s;
  }

  #fill(subject: FactSubject, sql: string, id: string): FactSubject {
    return { ...subject, ...(this.#connection.get(sql, id) as Partial<FactSubject> | undefined) };
  }
}
