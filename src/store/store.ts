import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import { classOf, type FactData, type FactSubject } from '../contract/fact.ts';
import { Connection, type StoreFaults } from './connection.ts';
import { type ColumnOf, ENTITIES, type EntityName, type RowOf } from './entities.ts';
import { EventNames } from './event-names.ts';
import { EventTimes } from './event-times.ts';
import { type EventUsage, replaceUsage } from './event-usage.ts';
import { type EventReader, type EventRow, EventWriter, eventReader, type NewEvent } from './events.ts';
import { encodeFact, FactWriter, type NewFact, type RecordedKind } from './facts.ts';
import { fromFileSystem } from './failures.ts';
import { FreshEvents } from './fresh-events.ts';
import { type Journal, openJournal } from './journal.ts';
import { migrate, pendingMigrations, readMigrations } from './migrate.ts';
import { Observations, type Observed } from './observations.ts';
import { type RecordReader, type RecordWriter, recordReader, recordWriter } from './records.ts';
import { type Pruned, prune, type RetentionLimits, usedBytes } from './retention.ts';
import { type RowReader, type RowWriter, rowReader, rowWriter } from './rows.ts';
import { type ThemeReader, type ThemeWriter, themeReader, themeWriter } from './themes.ts';

/** Reads the state as of now. */
export type Reader = { readonly [N in EntityName]: RowReader<RowOf<N>, ColumnOf<N>> } & RecordReader & ThemeReader;

/** Changes the state; good only inside of the `commit` that handed it out. */
export type Transaction = { readonly [N in EntityName]: RowWriter<RowOf<N>, ColumnOf<N>> } & RecordWriter &
  ThemeWriter & {
    /** A fact without a change of a row. */
    readonly record: <K extends RecordedKind>(
      kind: K,
      data: FactData<K>,
      subject: Partial<FactSubject>,
      actor: string,
    ) => void;
    /** The event's position; of a repeat that of the first. */
    readonly observe: (event: NewEvent) => number;
    /** All that a session of an outside program has used, in place of what was known of it. */
    readonly setOutsideUsage: (
      of: { readonly source: string; readonly session: string },
      days: readonly (EventUsage & { readonly at: number })[],
    ) => void;
  };

type StoreOptions = {
  /** Gantry's home; made if it is not there. */
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly faults?: StoreFaults;
};

/** What something that was written survives: the death of the process, or the loss of power too. */
type Durability = 'process' | 'power';

/** Told of the newest position, and whether the commit wrote nothing but events of outside programs. */
type CommitListener = (head: number, isOfEvents: boolean) => void;

const MIGRATIONS = new URL('./migrations/', import.meta.url);

/** The only keeper of state: `gantry.db` in the home. One connection, one writer. */
export class Store implements AsyncDisposable {
  readonly read: Reader;
  readonly journal: Journal;
  readonly events: EventReader;
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #log: Log;
  /** The database. */
  readonly file: string;
  readonly #facts: FactWriter;
  readonly #events: EventWriter;
  readonly #names: EventNames;
  readonly #times: EventTimes;
  readonly #fresh = new FreshEvents<EventRow>();
  #durability: Durability = 'process';
  readonly #transaction: Transaction;
  readonly #observations: Observations;
  /** Each with whether it is told of events of outside programs too. */
  readonly #listeners = new Map<CommitListener, { readonly isOfEvents: boolean }>();
  #closing: Promise<void> | null = null;

  /**
   * Opens or makes the database and brings its schema up to date, after a backup.
   * @throws AppError store_newer, store_corrupt, store_locked, disk_full
   */
  static open(options: StoreOptions): Store {
    const file = prepareFile(options.dir);
    const connection = new Connection(file, options.faults ?? {});
    try {
      const migrations = readMigrations(MIGRATIONS);
      pendingMigrations(connection, migrations);
      connection.prepareToWrite();
      migrate(connection, migrations, { backups: join(options.dir, 'backups'), now: options.clock.now() });
      return new Store(connection, file, options);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  private constructor(connection: Connection, file: string, { clock, log }: StoreOptions) {
    this.#connection = connection;
    this.#clock = clock;
    this.#log = log;
    this.file = file;
    this.#facts = new FactWriter(connection);
    this.#names = new EventNames(connection);
    this.#times = new EventTimes(connection);
    const kept = { names: this.#names, times: this.#times, fresh: this.#fresh };
    this.#events = new EventWriter(connection, { facts: this.#facts, ...kept });
    this.journal = openJournal(connection, this.#facts.head);
    this.events = eventReader(connection, { head: this.#facts.head, ...kept });
    this.read = openReader(connection, clock);
    this.#transaction = openTransaction(connection, clock, this.#facts, this.#events);
    this.#observations = new Observations((items) => this.#append(items));
  }

  /**
   * Runs `fn` in one transaction: all of it is durable when this returns, or nothing happened and this throws.
   * What was observed before goes first, so that the journal keeps the order of the calls.
   * @throws AppError disk_full, store_locked; whatever `fn` throws
   */
  commit<T>(fn: (tx: Transaction) => T): T {
    if (this.#connection.isWriting) throw new AppError('internal', 'a commit was begun inside of a commit');
    this.#observations.flush();
    return this.#write(() => fn(this.#transaction), { durability: 'power', isOfEvents: false });
  }

  /**
   * Records what agents did and said: everything of one turn of the event loop in one transaction.
   * Resolves with the position of the last fact once all of `facts` are durable; rejects if none is.
   * @throws AppError overloaded, too_large, disk_full, store_locked (rejects)
   */
  async observe(facts: readonly NewFact[]): Promise<number> {
    if (this.#closing !== null) throw new AppError('internal', 'the store is closed');
    const now = this.#clock.now();
    const items = facts.map((given): Observed => {
      const fact = encodeFact(given, now);
      const isState = classOf(fact.kind) === 'state';
      return { length: fact.json.length, isState, isEvent: false, append: () => this.#facts.append(fact) };
    });
    return (await this.#observations.add(items)).last ?? this.journal.head();
  }

  /**
   * Records events of outside programs, like `observe`. Resolves with the position of each.
   * @throws AppError overloaded, disk_full, store_locked (rejects)
   */
  async observeEvents(events: readonly NewEvent[]): Promise<readonly number[]> {
    if (this.#closing !== null) throw new AppError('internal', 'the store is closed');
    const items = events.map((event): Observed => {
      const chatLength = event.chat?.reduce((sum, message) => sum + message.length, 0) ?? 0;
      const append = (): number => this.#events.append(event);
      return { length: event.text.length + chatLength, isState: false, isEvent: true, append };
    });
    return (await this.#observations.add(items)).positions;
  }

  /** What observations survive from now on; changes of state always survive the loss of power. */
  setDurability(durability: Durability): void {
    this.#durability = durability;
  }

  /** `listener` is called after every commit that wrote facts; the answer stops that. */
  onCommit(listener: CommitListener): () => void {
    return this.#listen(listener, true);
  }

  /** The same, but not after commits that wrote only events of outside programs: they change nothing of the work. */
  onWork(listener: () => void): () => void {
    return this.#listen(listener, false);
  }

  #listen(listener: CommitListener, isOfEvents: boolean): () => void {
    this.#listeners.set(listener, { isOfEvents });
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Removes facts by age and size, for about `budgetMs`. Call it again later if it is not done. */
  async prune(limits: RetentionLimits, budgetMs: number): Promise<Pruned> {
    const pruned = await prune(this.#connection, limits, budgetMs, {
      clock: this.#clock,
      isClosed: () => this.#closing !== null,
    });
    if (this.#closing === null) {
      this.#names.forget();
      this.#times.forget();
    }
    return pruned;
  }

  /** Bytes: of the files on disk, and of what is in use in them. */
  size(): { readonly fileBytes: number; readonly usedBytes: number } {
    const bytes = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    return { fileBytes: bytes(this.file) + bytes(`${this.file}-wal`), usedBytes: usedBytes(this.#connection) };
  }

  /** What a check of the whole file finds, in SQLite's words; empty if it is sound. Blocks for about 1 s per GB. */
  check(): readonly string[] {
    const found = this.#connection.all('PRAGMA quick_check(3)').map((row) => String(Object.values(row)[0]));
    return found.filter((line) => line !== 'ok');
  }

  /** Writes what was observed, then closes. Concurrent callers share one closing. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(): Promise<void> {
    this.#observations.flush();
    this.#connection.close();
    this.#listeners.clear();
  }

  #append(items: readonly Observed[]): readonly number[] {
    const isPowerSafe = this.#durability === 'power' || items.some(({ isState }) => isState);
    return this.#write(() => items.map(({ append }) => append()), {
      durability: isPowerSafe ? 'power' : 'process',
      isOfEvents: items.every(({ isEvent }) => isEvent),
    });
  }

  #write<T>(
    fn: () => T,
    { durability, isOfEvents }: { readonly durability: Durability; readonly isOfEvents: boolean },
  ): T {
    let result: T;
    this.#fresh.clear();
    if (!isOfEvents) this.#events.forgetSessions();
    try {
      this.#connection.setDurability(durability);
      result = this.#connection.transaction(fn);
    } catch (error) {
      this.#facts.takeLast();
      this.#names.settle(false);
      this.#times.reset();
      this.#fresh.clear();
      throw error;
    } finally {
      if (!isOfEvents) this.#events.forgetSessions();
    }
    this.#names.settle(true);
    const head = this.#facts.takeLast();
    if (head !== null) this.#notify(head, isOfEvents);
    return result;
  }

  #notify(head: number, isOfEvents: boolean): void {
    for (const [listener, wanted] of [...this.#listeners]) {
      if (isOfEvents && !wanted.isOfEvents) continue;
      try {
        listener(head, isOfEvents);
      } catch (error) {
        // What is durable stays so, whatever its readers do.
        this.#log.error({ err: toAppError(error), head }, 'a reader of the journal failed');
      }
    }
  }
}

function openReader(connection: Connection, clock: Clock): Reader {
  const tables = Object.entries(ENTITIES).map(([name, entity]) => [name, rowReader(connection, entity as never)]);
  return { ...Object.fromEntries(tables), ...recordReader(connection, clock.now), ...themeReader(connection) };
}

function openTransaction(connection: Connection, clock: Clock, facts: FactWriter, events: EventWriter): Transaction {
  const writing = { connection, facts, now: clock.now };
  const tables = Object.entries(ENTITIES).map(([name, entity]) => [name, rowWriter(writing, entity as never)]);
  const record = (kind: RecordedKind, data: unknown, subject: Partial<FactSubject>, actor: string): void => {
    if (!connection.isWriting) throw new AppError('internal', 'a fact was recorded outside of a commit');
    facts.append(encodeFact({ kind, data, subject, actor } as NewFact, clock.now()));
  };
  const observe = (event: NewEvent): number => {
    if (!connection.isWriting) throw new AppError('internal', 'an event was recorded outside of a commit');
    return events.append(event);
  };
  const records = { ...recordWriter(connection, clock.now), ...themeWriter(connection) };
  const setOutsideUsage: Transaction['setOutsideUsage'] = (of, days) => replaceUsage(connection, of, days);
  return { ...Object.fromEntries(tables), ...records, record, observe, setOutsideUsage };
}

/** The database is private from its first byte; SQLite gives its other files the same mode. */
function prepareFile(dir: string): string {
  const file = join(dir, 'gantry.db');
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
  } catch (error) {
    throw fromFileSystem(error, file);
  }
  return file;
}
