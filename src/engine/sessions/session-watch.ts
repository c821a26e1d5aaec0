import type { Clock } from '../../base/clock.ts';

type WatchLimits = {
  /** A turn without a word for so long is stuck: said, not ended. ms */
  readonly stuckAfter: number;
  /** A program that gives no sign of life for so long, not even a heartbeat, is taken for dead. ms */
  readonly hungAfter: number;
};

export type WatchActions = {
  readonly onStuck: (silentMs: number) => void;
  /** A word came after all. */
  readonly onUnstuck: () => void;
  readonly onHung: (silentMs: number) => void;
};

/** Looks at the silence of a running turn. Slow is not dead: heartbeats without words are reported, never punished. */
export class SessionWatch {
  readonly #clock: Clock;
  readonly #limits: WatchLimits;
  readonly #actions: WatchActions;
  #lastWordAt: number;
  #lastSignAt: number;
  #isStuck = false;
  #isTurn = false;
  #isFrozen = false;
  #cancel: (() => void) | null = null;

  constructor(clock: Clock, limits: WatchLimits, actions: WatchActions) {
    this.#clock = clock;
    this.#limits = limits;
    this.#actions = actions;
    this.#lastWordAt = clock.now();
    this.#lastSignAt = this.#lastWordAt;
  }

  /** From here on silence counts. */
  turnBegan(): void {
    this.word();
    this.#isTurn = true;
    if (this.#cancel === null && !this.#isFrozen) this.#wait();
  }

  /** From here on silence does not count, whatever is still read. */
  froze(): void {
    this.#isFrozen = true;
    this.#cancel?.();
    this.#cancel = null;
  }

  thawed(): void {
    this.#isFrozen = false;
    if (this.#isTurn) this.turnBegan();
  }

  turnEnded(): void {
    this.word();
    this.#isTurn = false;
    this.#cancel?.();
    this.#cancel = null;
  }

  heartbeat(): void {
    this.#lastSignAt = this.#clock.now();
  }

  word(): void {
    this.#lastWordAt = this.#clock.now();
    this.#lastSignAt = this.#lastWordAt;
    if (!this.#isStuck) return;
    this.#isStuck = false;
    this.#actions.onUnstuck();
  }

  /** One timer, for the moment when the next limit would be reached if nothing came. */
  #wait(): void {
    const stuckAt = this.#isStuck ? Number.POSITIVE_INFINITY : this.#lastWordAt + this.#limits.stuckAfter;
    const dueAt = Math.min(stuckAt, this.#lastSignAt + this.#limits.hungAfter);
    this.#cancel = this.#clock.after(dueAt - this.#clock.now(), () => this.#look());
  }

  #look(): void {
    const now = this.#clock.now();
    if (now - this.#lastSignAt >= this.#limits.hungAfter) {
      this.#cancel = null;
      this.#actions.onHung(now - this.#lastSignAt);
      return;
    }
    if (!this.#isStuck && now - this.#lastWordAt >= this.#limits.stuckAfter) {
      this.#isStuck = true;
      this.#actions.onStuck(now - this.#lastWordAt);
    }
    this.#wait();
  }
}
