import type { Fact, FactKind, FactSubject } from '../contract/fact.ts';

/** What is to be told outside. */
export type Entry = {
  /** A key that waits already is replaced by the newer entry. */
  readonly key: string;
  /** The entries of a lane are delivered one after the other, in order. Default: a lane of its own. */
  readonly lane?: string;
  /** JSON. */
  readonly payload: unknown;
  /** ms; not delivered before. */
  readonly notBefore?: number;
  /** ms; not delivered after. */
  readonly expiresAt?: number | null;
};

/** An entry as it waits. `tries`: how often its delivery failed. */
export type Item = Required<Entry> & { readonly id: number; readonly tries: number };

/**
 * How a delivery ended: the other side has it (`done`); it may take it later, at the earliest after `afterMs` if it said
 * so (`retry`); it never will (`refused`).
 */
export type Delivery =
  | { readonly type: 'done' }
  | { readonly type: 'retry'; readonly error: string; readonly afterMs?: number }
  | { readonly type: 'refused'; readonly error: string };

/**
 * Tells something outside what the journal says. A delivery may be repeated after a kill: an entry's key is the same
 * then, and whoever receives it must be able to know it by that.
 */
export type Projection = {
  /** Its channel in the outbox, unique. */
  readonly name: string;
  /** Where it delivers to, for people; no secrets. */
  readonly target: string;
  /** Why it cannot work as it is configured; nothing is read or delivered then. */
  readonly problem: string | null;
  /** The kinds of fact that it looks at. */
  readonly kinds: readonly FactKind[];
  /** What a fact is told as. No effects. `waiting` is what waits under a key. */
  readonly project: (fact: Fact, waiting: (key: string) => Item | null) => readonly Entry[];
  /** Tells one entry. What it throws counts as `retry`. `signal` aborts when the time for it is up. */
  readonly deliver: (item: Item, signal: AbortSignal) => Promise<Delivery>;
  /** Tells that this is a test, where the other side can be told so. */
  readonly test?: (signal: AbortSignal) => Promise<Delivery>;
  /** Whether the other side is there and takes us, with no effect on it: who we are to it. Throws if not. */
  readonly probe?: (signal: AbortSignal) => Promise<string>;
  /** Hears what the other side says, until the signal aborts. It never throws. */
  readonly listen?: (hearing: Hearing) => Promise<void>;
};

/** How a projection that listens keeps its place. */
export type Hearing = {
  readonly signal: AbortSignal;
  /** What was kept last. */
  readonly memory: () => string | null;
  /** Keeps its place and what is to be told, in one transaction. @throws AppError disk_full, store_locked */
  readonly keep: (memory: string, entries: readonly Entry[]) => void;
};

type Filter = { readonly kinds?: readonly FactKind[] } & {
  readonly [K in keyof FactSubject]?: NonNullable<FactSubject[K]>;
};

/** The journal as projections read it. */
export type Facts = {
  /** The position of the newest fact. */
  readonly head: () => number;
  /** Facts after `cursor`, oldest first; `next` is the cursor of the next page. Up to `prunedTo` facts are missing. */
  readonly since: (
    cursor: number,
    options: Filter & { readonly limit: number },
  ) => { readonly facts: readonly Fact[]; readonly next: number; readonly prunedTo: number };
};

type Meta = { readonly get: (key: string) => string | null };
type Outbox = {
  readonly take: (channel: string, limit: number) => readonly Item[];
  readonly get: (channel: string, key: string) => Item | null;
  readonly count: (channel: string) => number;
  readonly backlog: (channel: string) => number;
  readonly nextAt: (channel: string) => number | null;
};

/** The store as the delivery loop uses it. */
export type OutboxStore = {
  readonly journal: Facts;
  readonly read: { readonly meta: Meta; readonly outbox: Outbox };
  /** One transaction: all of it is durable when this returns, or nothing happened. */
  readonly commit: <T>(fn: (tx: OutboxWriter) => T) => T;
};

export type OutboxWriter = {
  readonly meta: Meta & { readonly set: (key: string, value: string) => void };
  readonly outbox: Outbox & {
    readonly add: (entry: Entry & { readonly channel: string }) => void;
    /** An item that was replaced meanwhile stays. */
    readonly remove: (id: number) => void;
    readonly retry: (
      item: { readonly channel: string; readonly key: string },
      notBefore: number,
      error: string,
    ) => void;
    readonly clear: (channel: string) => void;
  };
};
