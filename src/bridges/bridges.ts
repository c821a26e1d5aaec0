import { AppError } from '../contract/errors.ts';
import type { ProjectionStatus } from '../contract/webhook.ts';
import { Deliveries, type DeliveryParts } from './deliveries.ts';
import type { Projection } from './projection.ts';

export type BridgesParts = DeliveryParts & {
  /** What is configured now: the same object as before if nothing changed. */
  readonly configured: () => readonly Projection[];
  readonly onCommit: (listener: () => void) => () => void;
};

/** The configuration is looked at again at most so often. */
const REFRESH_MS = 1_000;

/** All projections that tell something outside, as they are configured. */
export class Bridges {
  readonly #parts: BridgesParts;
  readonly #running = new Map<string, Deliveries>();
  readonly #unsubscribe: () => void;
  #projections: readonly Projection[] = [];
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #stopping: Promise<void>[] = [];
  #isClosed = false;

  constructor(parts: BridgesParts) {
    this.#parts = parts;
    this.refresh();
    this.#unsubscribe = parts.onCommit(() => this.#wake());
  }

  /** Takes over what is configured now. */
  refresh(): void {
    this.#refreshedAt = this.#parts.clock.now();
    const wanted = this.#parts.configured();
    if (wanted === this.#projections) return;
    this.#projections = wanted;
    const ended = new Map<string, Promise<void>>();
    for (const [name, deliveries] of this.#running) {
      if (wanted.includes(deliveries.projection)) continue;
      this.#running.delete(name);
      ended.set(name, deliveries.stop());
    }
    this.#stopping = [...this.#stopping, ...ended.values()];
    for (const projection of wanted) {
      const before = ended.get(projection.name);
      // One writer per channel: the old one first ends what it has under way.
      if (before !== undefined) void before.then(() => this.#start(projection));
      else this.#start(projection);
    }
  }

  #start(projection: Projection): void {
    const { name } = projection;
    if (this.#isClosed || this.#running.has(name) || !this.#projections.includes(projection)) return;
    const deliveries = new Deliveries(projection, this.#parts);
    this.#running.set(name, deliveries);
    deliveries.wake();
  }

  list(): ProjectionStatus[] {
    this.refresh();
    return [...this.#running.values()].map((deliveries) => deliveries.status());
  }

  /** Begins again after `cursor`. @throws AppError not_found, bad_request */
  rebuild(name: string, cursor: number): ProjectionStatus {
    this.refresh();
    const deliveries = this.#running.get(name);
    if (deliveries === undefined) throw notFound(name, [...this.#running.keys()]);
    const head = this.#parts.store.journal.head();
    if (cursor > head) throw new AppError('bad_request', `the journal ends at ${head}: 0 to ${head} are accepted`);
    deliveries.rebuild(cursor);
    return deliveries.status();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe();
    await Promise.all([...this.#stopping, ...[...this.#running.values()].map((deliveries) => deliveries.stop())]);
  }

  #wake(): void {
    if (this.#parts.clock.now() - this.#refreshedAt >= REFRESH_MS) this.refresh();
    for (const deliveries of this.#running.values()) deliveries.wake();
  }
}

export function notFound(name: string, accepted: readonly string[]): AppError {
  const [, kind = name, own] = /^(\w+):(.*)$/.exec(name) ?? [];
  const known = accepted.filter((one) => own === undefined || one.startsWith(`${kind}:`));
  return new AppError('not_found', own === undefined ? `there is no ${name}` : `there is no ${kind} "${own}"`, {
    details: known.length > 0 ? { accepted: known } : { remedy: `No ${kind} is configured.` },
  });
}
