import { computed, type InjectionKey, inject, type Ref, type ShallowRef, shallowRef } from 'vue';
import type { Client } from '../../src/client/client.ts';
import type { InputOf, OperationName, OutputOf } from '../../src/contract/api.ts';
import { AppError, toAppError } from '../../src/contract/errors.ts';
import type { Fact } from '../../src/contract/fact.ts';
import { emptyView, type View } from '../../src/contract/fold.ts';
import { Connection, type Link } from './connection.ts';
import { RecentFacts } from './recent-facts.ts';
import { Router } from './route.ts';
import { Settings } from './settings.ts';

/** A message to the person at the page, for some seconds. */
export type Toast = { readonly id: number; readonly kind: 'good' | 'bad'; readonly text: string };

const TOAST_MS = 6_000;
const MAX_TOASTS = 3;
const TICK_MS = 1_000;

type Table = Exclude<keyof View, 'seq'>;
type RowOf<T extends Table> = View[T] extends Map<string, infer R> ? R : never;
const TABLES = Object.keys(emptyView()).filter((key): key is Table => key !== 'seq');

/** Everything that pages share: the view, what is done with it, where the page is. Components read it, pages call it. */
export class Store {
  readonly client: Client;
  readonly router = new Router();
  readonly settings = new Settings();
  readonly recent = new RecentFacts();
  readonly link: ShallowRef<Link> = shallowRef({ state: 'connecting', since: Date.now(), behind: null, problem: null });
  readonly toasts: ShallowRef<readonly Toast[]> = shallowRef([]);
  /** Grows with every snapshot: what was read before it may have gaps. */
  readonly generation: ShallowRef<number> = shallowRef(0);
  /** ms, to the second: what relative times are relative to. */
  readonly now: Ref<number> = shallowRef(Date.now());
  /** How often each table has changed: what a page has read of it is out of date then. */
  readonly #versions: Readonly<Record<Table, ShallowRef<number>>>;
  readonly #connection: Connection;
  readonly #listeners = new Set<(facts: readonly Fact[]) => void>();
  #view: View = emptyView();
  #toasts = 0;

  constructor(client: Client) {
    this.client = client;
    this.#versions = Object.fromEntries(TABLES.map((table) => [table, shallowRef(0)])) as never;
    this.#connection = new Connection(client, {
      onLink: (link) => {
        this.link.value = link;
      },
      onView: (view) => this.#takeView(view),
      onFacts: (facts) => this.#takeFacts(facts),
    });
  }

  start(): void {
    this.#connection.start();
    setInterval(() => {
      this.now.value = Date.now();
    }, TICK_MS);
  }

  retry(): void {
    this.#connection.retry();
  }

  /** The rows of a table by id. Reading it inside of a computed value follows its changes. */
  table<T extends Table>(table: T): ReadonlyMap<string, RowOf<T>> {
    void this.#versions[table].value;
    return this.#view[table] as unknown as ReadonlyMap<string, RowOf<T>>;
  }

  /** Changes whenever a table does. */
  version(table: Table): number {
    return this.#versions[table].value;
  }

  rows<T extends Table>(table: T): Ref<readonly RowOf<T>[]> {
    return computed(() => [...this.table(table).values()]);
  }

  /** Told of facts as they come. @returns what ends it */
  onFacts(listener: (facts: readonly Fact[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Does what a person asked for, and says what came of it. @returns null if it was refused */
  async act<N extends OperationName>(name: N, input: InputOf<N>, done?: string): Promise<OutputOf<N> | null> {
    try {
      // The same click carried out twice would be two things done: the daemon knows the second by its key.
      const output = await this.client.call(name, input, { idempotencyKey: crypto.randomUUID() });
      if (done !== undefined) this.say('good', done);
      return output;
    } catch (error) {
      this.say('bad', textOf(error));
      return null;
    }
  }

  say(kind: Toast['kind'], text: string): void {
    this.#toasts += 1;
    const toast = { id: this.#toasts, kind, text };
    this.toasts.value = [...this.toasts.value, toast].slice(-MAX_TOASTS);
    setTimeout(() => this.unsay(toast.id), TOAST_MS);
  }

  unsay(id: number): void {
    this.toasts.value = this.toasts.value.filter((toast) => toast.id !== id);
  }

  #takeView(view: View): void {
    this.#view = view;
    this.recent.reset(view.seq);
    this.generation.value += 1;
    for (const table of TABLES) this.#changed(table);
  }

  #takeFacts(facts: readonly Fact[]): void {
    this.recent.add(facts);
    for (const table of new Set(facts.flatMap((fact) => tableOf(fact) ?? []))) this.#changed(table);
    for (const listener of this.#listeners) listener(facts);
  }

  #changed(table: Table): void {
    this.#versions[table].value += 1;
  }
}

function tableOf({ kind, sessionId }: Fact): Table | null {
  if (kind.startsWith('alert.')) return 'alerts';
  const changed = TABLES.find((table) => `${table.slice(0, -1)}.changed` === kind);
  if (changed !== undefined) return changed;
  return sessionId === null ? null : 'live';
}

/** An error in words, with what was wrong where. */
export function textOf(error: unknown): string {
  const { message, details } = toAppError(error);
  const issues = details?.issues;
  if (!Array.isArray(issues)) return message;
  return [message, ...issues.map((issue) => (issue as { readonly message?: string }).message ?? '')].join(' · ');
}

export const storeKey: InjectionKey<Store> = Symbol('store');

export function useStore(): Store {
  const store = inject(storeKey);
  if (!store) throw new AppError('internal', 'no store was provided');
  return store;
}
