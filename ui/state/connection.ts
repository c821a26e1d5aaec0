import type { Client } from '../../src/client/client.ts';
import { viewOf } from '../../src/client/view.ts';
import { AppError, toAppError } from '../../src/contract/errors.ts';
import type { Fact } from '../../src/contract/fact.ts';
import { emptyView, fold, type View } from '../../src/contract/fold.ts';
import { openSocket } from './socket.ts';

/** `lost`: no connection, tried again and again. `refused`: this browser is no longer logged in. */
export type LinkState = 'connecting' | 'catching-up' | 'live' | 'lost' | 'refused';

export type Link = {
  readonly state: LinkState;
  /** ms, since when it is so. */
  readonly since: number;
  /** Facts that are still to come; null if it is not known. */
  readonly behind: number | null;
  readonly problem: string | null;
};

export type ConnectionListener = {
  readonly onLink: (link: Link) => void;
  /** A new view took the place of the old one. */
  readonly onView: (view: View) => void;
  /** Facts that the view has now, in order, many at once. */
  readonly onFacts: (facts: readonly Fact[]) => void;
};

/** Between two updates of the page: a person does not read faster, and typing must not wait. */
const UPDATE_EVERY_MS = 100;
/** A page in the background gets no frames: beyond this many facts it does not wait for one. */
const MAX_PENDING = 2_000;
const RETRY_MS = [100, 250, 500, 1_000, 2_000, 3_000] as const;

/**
 * The page's one connection: a snapshot, then the facts after it through the contract's `fold`. A lost connection goes on
 * from the cursor; after a gap a new snapshot is taken. Facts reach the page together, in a frame of the browser.
 */
export class Connection {
  readonly #client: Client;
  readonly #listener: ConnectionListener;
  #view: View = emptyView();
  #hasView = false;
  #pending: Fact[] = [];
  #isUpdateDue = false;
  #updatedAt = 0;
  #failures = 0;
  /** Counts connections: a word of an earlier one changes nothing. */
  #round = 0;
  #close: (() => void) | null = null;
  #since = Date.now();
  #state: LinkState = 'connecting';

  constructor(client: Client, listener: ConnectionListener) {
    this.#client = client;
    this.#listener = listener;
  }

  start(): void {
    void this.#connect();
  }

  /** Tries now instead of later. */
  retry(): void {
    if (this.#state === 'lost' || this.#state === 'refused') void this.#connect();
  }

  async #connect(): Promise<void> {
    this.#round += 1;
    const round = this.#round;
    this.#close?.();
    this.#close = null;
    try {
      if (!this.#hasView) await this.#takeView();
      const { seq } = await this.#client.call('status', {});
      if (round !== this.#round) return;
      // A home that was replaced by another: what the page has is of no use.
      if (seq < this.#view.seq) await this.#takeView();
      this.#say('catching-up', { behind: Math.max(0, seq - this.#view.seq) });
      this.#follow(round);
    } catch (error) {
      if (round === this.#round) this.#failed(toAppError(error), round);
    }
  }

  async #takeView(): Promise<void> {
    const view = viewOf(await this.#client.call('view', {}));
    this.#view = view;
    this.#hasView = true;
    this.#pending = [];
    this.#listener.onView(view);
  }

  #follow(round: number): void {
    const isCurrent = (): boolean => round === this.#round;
    this.#close = openSocket(this.#client.url, this.#view.seq, {
      onFact: (fact) => isCurrent() && this.#take(fact),
      onLive: () => {
        if (!isCurrent()) return;
        this.#failures = 0;
        this.#update();
        this.#say('live');
      },
      onGap: () => {
        if (!isCurrent()) return;
        this.#hasView = false;
        void this.#connect();
      },
      onEnd: ({ reason }) => isCurrent() && this.#failed(new AppError('daemon_unreachable', reason), round),
    });
  }

  #failed(error: AppError, round: number): void {
    if (error.code === 'unauthorized' || error.code === 'forbidden') {
      this.#say('refused', { problem: error.message });
      return;
    }
    this.#say('lost', { problem: error.message });
    const wait = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)] ?? 0;
    this.#failures += 1;
    setTimeout(() => round === this.#round && void this.#connect(), wait);
  }

  #say(state: LinkState, more: Partial<Link> = {}): void {
    if (state !== this.#state) this.#since = Date.now();
    this.#state = state;
    this.#listener.onLink({ state, since: this.#since, behind: null, problem: null, ...more });
  }

  /** The cursor moves at once, so that a connection lost before the next frame does not ask for the fact again. */
  #take(fact: Fact): void {
    if (fact.seq <= this.#view.seq) return;
    fold(this.#view, fact);
    this.#pending.push(fact);
    if (this.#pending.length >= MAX_PENDING) this.#update();
    if (this.#isUpdateDue || this.#pending.length === 0) return;
    this.#isUpdateDue = true;
    const update = (): void => this.#update();
    const wait = Math.max(0, this.#updatedAt + UPDATE_EVERY_MS - performance.now());
    setTimeout(() => (document.hidden ? update() : requestAnimationFrame(update)), wait);
  }

  #update(): void {
    this.#isUpdateDue = false;
    if (this.#pending.length === 0) return;
    this.#updatedAt = performance.now();
    const facts = this.#pending;
    this.#pending = [];
    this.#listener.onFacts(facts);
  }
}
