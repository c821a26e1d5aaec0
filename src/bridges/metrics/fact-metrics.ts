import { Counter, type Family, Histogram } from '../../base/exposition.ts';
import { type Attempt, isAttemptLive } from '../../contract/attempt.ts';
import type { Fact, FactKind } from '../../contract/fact.ts';
import type { Message } from '../../contract/message.ts';
import { isSessionOver, type Session } from '../../contract/session.ts';
import type { Facts } from '../projection.ts';

/** What the measures need to know of rows that a fact names. */
export type Rows = {
  readonly backendOfSession: (id: string) => string | null;
  readonly backendOfAgent: (address: string) => string | null;
  readonly attemptState: (id: string) => Attempt['state'] | null;
};

/** Of a session: whether another of its backend was live. Of an assignment: whether its session was there before it. */
type Start = 'warm' | 'cold';

const KINDS: readonly FactKind[] = [
  'session.changed',
  'attempt.changed',
  'message.changed',
  'request.changed',
  'prompt.accepted',
  'turn.ended',
  'late',
];
/** Seconds. */
const BOUNDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800];
const PAGE = 500;
/** How long one reading may take; the rest is read the next time. */
const BUDGET_MS = 2_000;

/** What facts tell in numbers, since the daemon started. They are read when somebody asks. */
export class FactMetrics {
  readonly #journal: Facts;
  readonly #rows: Rows;
  #cursor: number;
  #reading: Promise<void> | null = null;
  /** When a session that is not ready, and an attempt without a prompt, began: ms. As few as there are of them. */
  readonly #starting = new Map<string, { readonly at: number; readonly start: Start }>();
  /** Live sessions: whose, and since when. */
  readonly #live = new Map<string, { readonly backend: string; readonly at: number }>();
  readonly #assigned = new Map<string, number>();
  readonly #falselyDead = new Set<string>();

  readonly #spawn = new Histogram(
    'gantry_session_spawn_seconds',
    'From the start of a session to its being ready, by backend, outcome (ready, failed) and start (warm, cold).',
    BOUNDS,
  );
  readonly #assignment = new Histogram(
    'gantry_assignment_latency_seconds',
    'From the assignment of a task to the acceptance of its first prompt, by backend and start (warm, cold).',
    BOUNDS,
  );
  readonly #message = new Histogram(
    'gantry_message_latency_seconds',
    'From the acceptance of a message to its state (delivered, seen), by sender, backend and mode.',
    BOUNDS,
  );
  readonly #attempts = new Counter('gantry_attempts_ended_total', 'Attempts that ended, by backend and state.');
  readonly #requests = new Counter('gantry_requests_ended_total', 'Requests that ended, by state.');
  readonly #turns = new Counter('gantry_turns_total', 'Turns that ended, by backend and outcome.');
  readonly #tokens = new Counter('gantry_tokens_total', 'Tokens that agent programs reported, by backend and kind.');
  readonly #cost = new Counter(
    'gantry_cost_usd_total',
    'Reported cost in US dollars, by backend. Unknown costs are not in it.',
  );
  readonly #unpriced = new Counter('gantry_turns_unpriced_total', 'Turns whose cost is unknown, by backend.');
  readonly #late = new Counter('gantry_late_words_total', 'Words from attempts that were no longer the holder.');

  constructor(journal: Facts, rows: Rows) {
    this.#journal = journal;
    this.#rows = rows;
    this.#cursor = journal.head();
  }

  /** Reads on, then tells. Concurrent callers share one reading. */
  async families(): Promise<readonly Family[]> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    await this.#reading;
    const count = (name: string, help: string, value: number): Family => ({
      name,
      help,
      type: 'counter',
      samples: [{ suffix: '', labels: {}, value }],
    });
    const counted = [this.#spawn, this.#assignment, this.#message, this.#attempts, this.#requests, this.#turns];
    const used = [this.#tokens, this.#cost, this.#unpriced, this.#late];
    return [
      ...[...counted, ...used].map((metric) => metric.family()),
      count(
        'gantry_false_deaths_total',
        'Attempts that were given up as lost and spoke again: must be 0.',
        this.#falselyDead.size,
      ),
    ];
  }

  async #read(): Promise<void> {
    const end = performance.now() + BUDGET_MS;
    while (this.#cursor < this.#journal.head() && performance.now() < end) {
      const page = this.#journal.since(this.#cursor, { kinds: KINDS, limit: PAGE });
      for (const fact of page.facts) this.#observe(fact);
      this.#cursor = page.next;
      // Others get their turn between the pages.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #observe(fact: Fact): void {
    switch (fact.kind) {
      case 'session.changed':
        this.#session(fact.data.row, fact.data.from, fact.at);
        return;
      case 'attempt.changed':
        this.#attempt(fact.data.row, fact.data.from, fact.at);
        return;
      case 'message.changed':
        this.#mail(fact.data.row, fact.data.from, fact.at);
        return;
      case 'request.changed': {
        const { from, row } = fact.data;
        if (from !== row.state && row.endedAt !== null) this.#requests.add({ state: row.state });
        return;
      }
      case 'prompt.accepted':
        this.#prompt(fact);
        return;
      case 'turn.ended':
        this.#turn(fact);
        return;
      case 'late':
        this.#late.add({});
        if (fact.attemptId !== null && this.#rows.attemptState(fact.attemptId) === 'lost') {
          this.#falselyDead.add(fact.attemptId);
        }
        return;
      default:
        return;
    }
  }

  #session({ id, backend, state }: Session, from: string | null, at: number): void {
    if (state === 'starting') {
      if (from === 'starting') return;
      const isWarm = [...this.#live].some(([other, live]) => other !== id && live.backend === backend);
      this.#starting.set(id, { at, start: isWarm ? 'warm' : 'cold' });
      this.#live.set(id, { backend, at });
      return;
    }
    if (isSessionOver(state)) this.#live.delete(id);
    const since = this.#starting.get(id);
    if (since === undefined) return;
    this.#starting.delete(id);
    const outcome = state === 'running' ? 'ready' : 'failed';
    this.#spawn.observe({ backend, outcome, start: since.start }, (at - since.at) / 1_000);
  }

  #prompt(fact: Fact): void {
    const since = fact.attemptId === null ? undefined : this.#assigned.get(fact.attemptId);
    if (fact.attemptId === null || since === undefined) return;
    this.#assigned.delete(fact.attemptId);
    const session = fact.sessionId === null ? undefined : this.#live.get(fact.sessionId);
    const start: Start = session !== undefined && session.at < since ? 'warm' : 'cold';
    this.#assignment.observe({ backend: this.#backend(fact), start }, (fact.at - since) / 1_000);
  }

  #attempt({ id, backend, state }: Attempt, from: string | null, at: number): void {
    if (from === null) this.#assigned.set(id, at);
    if (isAttemptLive(state) || from === state) return;
    this.#assigned.delete(id);
    this.#attempts.add({ backend, state });
  }

  #mail({ state, from: sender, to, mode, createdAt }: Message, from: string | null, at: number): void {
    if (from === state || (state !== 'delivered' && state !== 'seen')) return;
    const who = sender === 'person' || sender === 'gantry' ? sender : 'agent';
    const backend = this.#rows.backendOfAgent(to) ?? 'none';
    this.#message.observe({ state, from: who, backend, mode }, (at - createdAt) / 1_000);
  }

  #turn(fact: Extract<Fact, { kind: 'turn.ended' }>): void {
    const backend = this.#backend(fact);
    const { outcome, usage } = fact.data;
    this.#turns.add({ backend, outcome });
    const kinds = {
      input: usage.inputTokens,
      output: usage.outputTokens,
      reasoning: usage.reasoningTokens,
      cache_read: usage.cacheReadTokens,
      cache_write: usage.cacheWriteTokens,
    };
    for (const [kind, amount] of Object.entries(kinds)) this.#tokens.add({ backend, kind }, amount);
    if (usage.costUsd === null) this.#unpriced.add({ backend });
    else this.#cost.add({ backend }, usage.costUsd);
  }

  #backend({ sessionId }: Fact): string {
    return (sessionId === null ? null : this.#rows.backendOfSession(sessionId)) ?? 'unknown';
  }
}
