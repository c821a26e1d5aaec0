import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { redact } from '../base/redact.ts';
import { toAppError } from '../contract/errors.ts';
import type { ProjectionStatus } from '../contract/webhook.ts';
import { newProgress, type Progress, readProgress, writeProgress } from './progress.ts';
import type { Delivery, Item, OutboxStore, OutboxWriter, Projection } from './projection.ts';

export type DeliveryLimits = {
  /** What waits in the outbox at once, but for what is to be told later; the rest waits in the journal. */
  readonly maxWaiting: number;
  /** Lanes that deliver at once. */
  readonly maxParallel: number;
  /** One delivery. */
  readonly timeoutMs: number;
  /** The back-off doubles from the first to the second, each time between half of it and the whole. */
  readonly backOffMs: number;
  readonly maxBackOffMs: number;
  /** The longest wait that the other side may ask for. */
  readonly maxAskedMs: number;
  /** Facts of one turn of the event loop are read together, after so long. */
  readonly gatherMs: number;
  /** Failing for so long opens an alert. */
  readonly alertAfterMs: number;
};

export const DELIVERY_LIMITS: DeliveryLimits = {
  maxWaiting: 100,
  maxParallel: 4,
  timeoutMs: 15_000,
  backOffMs: 1_000,
  maxBackOffMs: 60_000,
  maxAskedMs: 3_600_000,
  gatherMs: 25,
  alertAfterMs: 300_000,
};

export type DeliveryParts = {
  readonly store: OutboxStore;
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1). */
  readonly random: () => number;
  /** Says to people that something is wrong, or null: no longer. One alert per projection. */
  readonly alert: (name: string, text: string | null) => void;
  readonly limits?: Partial<DeliveryLimits>;
};

/** Facts read at once. */
const PAGE = 100;
/** The cursor alone is worth a write only after so many facts without an entry: reading them again makes none. */
const CURSOR_STEP = 5_000;
const MAX_ERROR_LENGTH = 500;

/**
 * Runs one projection: reads the journal from its cursor, writes what is to be told into the outbox in one transaction
 * with the cursor, and delivers it: at least once, in order by lane, with back-off, until its time of use is over. A kill
 * at any moment loses nothing. While the outbox is full the journal waits.
 */
export class Deliveries {
  readonly projection: Projection;
  readonly #parts: DeliveryParts;
  readonly #limits: DeliveryLimits;
  readonly #abort = new AbortController();
  /** Items under way, by id, with their lanes. */
  readonly #underWay = new Map<number, { readonly lane: string; readonly done: Promise<void> }>();
  /** As it is stored, but for a cursor that has passed facts of other kinds. */
  #progress: Progress;
  #writtenCursor = 0;
  #cancelTimer: (() => void) | null = null;
  #isWaking = false;
  #isResting = false;
  #isAlerted: boolean;
  readonly #listening: Promise<void>;

  /** A projection that never ran before begins with what happens from now on. */
  constructor(projection: Projection, parts: DeliveryParts) {
    this.projection = projection;
    this.#parts = parts;
    this.#limits = { ...DELIVERY_LIMITS, ...parts.limits };
    const known = readProgress(parts.store.read, projection.name);
    this.#progress = known ?? newProgress(parts.store.journal.head());
    if (known === null) this.#commit(this.#progress, () => undefined);
    const isFailing = projection.problem === null && this.#progress.failingSince !== null;
    this.#isAlerted = projection.problem !== null || isFailing;
    if (!isFailing) parts.alert(projection.name, projection.problem);
    this.#listening = this.#listen();
  }

  async #listen(): Promise<void> {
    if (this.#isStopped) return;
    const { store } = this.#parts;
    const { name, listen } = this.projection;
    const key = `bridge.${name}.heard`;
    await listen?.({
      signal: this.#abort.signal,
      memory: () => store.read.meta.get(key),
      keep: (memory, entries) => {
        store.commit((tx) => {
          tx.meta.set(key, memory);
          for (const entry of entries) tx.outbox.add({ ...entry, channel: name });
        });
        if (entries.length > 0) this.wake();
      },
    });
  }

  /** There may be something to do: new facts, or the start. */
  wake(): void {
    if (this.#isWaking || this.#isStopped) return;
    this.#isWaking = true;
    this.#parts.clock.after(this.#limits.gatherMs, () => {
      this.#isWaking = false;
      this.#run();
    });
  }

  /** Begins again after `cursor`; what waits is forgotten. Receivers know what they have by its key. */
  rebuild(cursor: number): void {
    this.#commit({ ...this.#progress, cursor }, (tx) => tx.outbox.clear(this.projection.name));
    this.wake();
  }

  status(): ProjectionStatus {
    const { store } = this.#parts;
    const { name, target, problem } = this.projection;
    const { cursor, delivered, dropped, lastDeliveredAt, lastError, failingSince } = this.#progress;
    return {
      name,
      target,
      state: problem !== null ? 'problem' : failingSince !== null ? 'failing' : 'ok',
      problem,
      cursor,
      behind: store.journal.head() - cursor,
      waiting: store.read.outbox.count(name),
      delivered,
      dropped,
      lastDeliveredAt,
      lastError,
    };
  }

  /** Ends what is under way; it is delivered again at the next start. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#cancelTimer?.();
    await Promise.all([this.#listening, ...[...this.#underWay.values()].map(({ done }) => done)]);
  }

  get #isStopped(): boolean {
    return this.#abort.signal.aborted || this.projection.problem !== null;
  }

  #run(): void {
    if (this.#isStopped || this.#isResting) return;
    try {
      const isBehind = this.#read();
      this.#dropStale();
      this.#deliver();
      if (isBehind) this.wake();
      this.#arm();
    } catch (error) {
      this.#rest(error);
    }
  }

  /** The store has no room, or a projection has a mistake: nothing more is tried for a while, least of all outside. */
  #rest(error: unknown): void {
    this.#parts.log.error({ err: error, projection: this.projection.name }, 'a projection failed');
    this.#isResting = true;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#parts.clock.after(this.#limits.maxBackOffMs, () => {
      this.#isResting = false;
      this.#run();
    });
  }

  /** One page of the journal into the outbox; true if there is more and room for it. */
  #read(): boolean {
    const { store, clock } = this.#parts;
    const { name, kinds, project } = this.projection;
    const head = store.journal.head();
    const cursor = Math.min(this.#progress.cursor, head);
    const room = this.#limits.maxWaiting - store.read.outbox.backlog(name);
    if (room <= 0 || cursor === head) return false;
    const page = store.journal.since(cursor, { kinds, limit: Math.min(PAGE, room) });
    const hasGap = cursor > 0 && cursor < page.prunedTo;
    const before = hasGap ? this.#failed(`facts up to ${page.prunedTo} were removed before they were read`) : {};
    const next = { ...this.#progress, ...before, cursor: page.next };
    if (page.facts.length === 0 && page.next - this.#writtenCursor < CURSOR_STEP) {
      this.#progress = next;
      return page.next < head;
    }
    let late = 0;
    this.#commit(
      () => ({ ...next, dropped: next.dropped + late }),
      (tx) => {
        for (const fact of page.facts) {
          for (const entry of project(fact, (key) => tx.outbox.get(name, key))) {
            const isLate = typeof entry.expiresAt === 'number' && entry.expiresAt <= clock.now();
            if (isLate) late += 1;
            else tx.outbox.add({ ...entry, channel: name });
          }
        }
      },
    );
    return page.next < head;
  }

  /** Takes the first of every lane that is due and is not under way. */
  #deliver(): void {
    const { store } = this.#parts;
    const free = this.#limits.maxParallel - this.#underWay.size;
    if (free <= 0) return;
    const due = store.read.outbox.take(this.projection.name, this.#limits.maxParallel * 2);
    const lanes = new Set([...this.#underWay.values()].map(({ lane }) => lane));
    for (const item of due.filter(({ lane }) => !lanes.has(lane)).slice(0, free)) {
      this.#underWay.set(item.id, { lane: item.lane, done: this.#deliverOne(item) });
    }
  }

  #dropStale(): void {
    const { store, clock } = this.#parts;
    const text = 'not delivered before the end of its time of use';
    for (;;) {
      const stale = store.read.outbox
        .take(this.projection.name, this.#limits.maxWaiting)
        .filter((item) => item.expiresAt !== null && item.expiresAt <= clock.now() && !this.#underWay.has(item.id));
      if (stale.length === 0) return;
      const lastError = { at: clock.now(), text };
      this.#commit({ ...this.#progress, lastError, dropped: this.#progress.dropped + stale.length }, (tx) => {
        for (const { id } of stale) tx.outbox.remove(id);
      });
    }
  }

  async #deliverOne(item: Item): Promise<void> {
    const { clock } = this.#parts;
    const left = item.expiresAt === null ? Infinity : item.expiresAt - clock.now();
    const limit = new AbortController();
    const cancel = clock.after(Math.min(this.#limits.timeoutMs, left), () => limit.abort());
    const signal = AbortSignal.any([this.#abort.signal, limit.signal]);
    let delivery: Delivery;
    try {
      // Asynchronous also where it throws at once: it is under way before it has ended.
      delivery = await (async () => this.projection.deliver(item, signal))();
    } catch (error) {
      delivery = { type: 'retry', error: limit.signal.aborted ? 'it took too long' : toAppError(error).message };
    } finally {
      cancel();
    }
    this.#underWay.delete(item.id);
    if (this.#abort.signal.aborted && delivery.type !== 'done') return;
    try {
      this.#settle(item, delivery);
    } catch (error) {
      // It was not recorded: the item stays as it is and is delivered again.
      this.#rest(error);
    }
    this.#run();
  }

  #settle(item: Item, delivery: Delivery): void {
    const now = this.#parts.clock.now();
    const { name, target } = this.projection;
    const before = this.#progress;
    switch (delivery.type) {
      case 'done':
        this.#commit({ ...before, delivered: before.delivered + 1, lastDeliveredAt: now, failingSince: null }, (tx) =>
          tx.outbox.remove(item.id),
        );
        this.#tell(null);
        return;
      case 'refused':
        this.#commit({ ...before, ...this.#failed(delivery.error), dropped: before.dropped + 1 }, (tx) =>
          tx.outbox.remove(item.id),
        );
        this.#tell(`${name} was refused by ${target}: ${delivery.error}`);
        return;
      case 'retry': {
        const failed = this.#failed(delivery.error);
        const at = now + this.#waitFor(item, delivery);
        this.#commit({ ...before, ...failed }, (tx) =>
          tx.outbox.retry({ channel: name, key: item.key }, at, failed.lastError.text),
        );
        const isLong = now - failed.failingSince >= this.#limits.alertAfterMs;
        if (isLong) this.#tell(`${name} does not reach ${target}: ${delivery.error}`);
        return;
      }
      default:
        delivery satisfies never;
    }
  }

  #waitFor({ tries }: Item, { afterMs = 0 }: { readonly afterMs?: number }): number {
    const { backOffMs, maxBackOffMs, maxAskedMs } = this.#limits;
    const backOff = Math.min(maxBackOffMs, backOffMs * 2 ** Math.min(tries, 30));
    return Math.ceil(Math.max(Math.min(afterMs, maxAskedMs), backOff * (0.5 + this.#parts.random() / 2)));
  }

  #failed(error: string) {
    const at = this.#parts.clock.now();
    const text = redact(error).slice(0, MAX_ERROR_LENGTH);
    return { lastError: { at, text }, failingSince: this.#progress.failingSince ?? at };
  }

  #tell(text: string | null): void {
    if (text === null && !this.#isAlerted) return;
    this.#isAlerted = text !== null;
    this.#parts.alert(this.projection.name, text);
  }

  /** The outbox and the progress in one transaction; the progress is taken over once it is durable. */
  #commit(progress: Progress | (() => Progress), fn: (tx: OutboxWriter) => void): void {
    this.#progress = this.#parts.store.commit((tx) => {
      fn(tx);
      const next = typeof progress === 'function' ? progress() : progress;
      writeProgress(tx, this.projection.name, next);
      return next;
    });
    this.#writtenCursor = this.#progress.cursor;
  }

  /** Runs again when the next item is due. What is due already waits for a delivery to end, which wakes. */
  #arm(): void {
    const { store, clock } = this.#parts;
    this.#cancelTimer?.();
    const at = store.read.outbox.nextAt(this.projection.name);
    if (at === null || at <= clock.now()) return;
    this.#cancelTimer = clock.after(at - clock.now(), () => this.#run());
  }
}
