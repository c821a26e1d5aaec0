import type {
  BackendEvent,
  BackendSession,
  CloseReport,
  EndReason,
  Loan,
  OpenSpec,
  PersonView,
  PromptReceipt,
} from '../backends/backend.ts';
import { type Deferred, deferred } from '../base/wait.ts';
import type { StoredPrompt } from '../contract/attempt.ts';
import { type AppError, toAppError } from '../contract/errors.ts';
import type { FactSubject } from '../contract/fact.ts';
import type { PromptId } from '../contract/ids.ts';
import type { MessageMode } from '../contract/message.ts';
import { type Activity, isSessionOver, type Session } from '../contract/session.ts';
import type { Usage } from '../contract/usage.ts';
import { closeAlert, openAlert } from './alerts.ts';
import type { Approvals } from './approvals.ts';
import type { Parts } from './parts.ts';
import { priced } from './prices.ts';
import { LogWriter } from './session-log.ts';
import { SessionWatch } from './session-watch.ts';
import type { Settings } from './settings.ts';

/** Turns whose use is remembered for a session that is cut. */
const MOST_USED = 100;

export type TurnEnd = Extract<BackendEvent, { type: 'turn-ended' }>;
/** What a wait for a turn's end can see. */
export type TurnResult =
  | { readonly type: 'turn'; readonly turn: TurnEnd }
  | { readonly type: 'ended'; readonly reason: EndReason };

/**
 * One live conversation: its row in the ledger, its events as facts, its questions as approvals.
 * Whoever opens it owns its end: `close`.
 */
export class LiveSession {
  readonly #parts: Parts;
  readonly #approvals: Approvals;
  readonly #backend: BackendSession;
  readonly #log: LogWriter;
  readonly #turns = new Map<PromptId, Deferred<TurnResult>>();
  #subject: Partial<FactSubject>;
  readonly id: Session['id'];
  readonly nativeId: string;
  readonly origin: BackendSession['origin'];
  readonly #watch: SessionWatch;
  readonly #prices: Settings['prices'];
  /** As far as it is known: what the program uses when none is named, only it knows. */
  readonly #model: string | null;
  #end: EndReason | null = null;
  #lastActivity: Activity | null = null;
  /** Prompts whose turn runs, oldest first, and what each prompt's turn is known to have used. */
  readonly #running: PromptId[] = [];
  readonly #used = new Map<PromptId, Usage>();
  /** Called with what the running turn has used so far, each time the agent program tells it. */
  onUsage: (usage: Usage) => void = () => undefined;
  /** Called when a question of this session was settled. */
  onSettled: () => void = () => undefined;
  /** Resolves when the last event is in the ledger. */
  readonly ended: Promise<void>;

  private constructor(
    parts: Parts,
    approvals: Approvals,
    session: BackendSession,
    origin: BackendSession['origin'],
    row: Session,
    subject: Partial<FactSubject>,
    settings: Settings,
  ) {
    this.#parts = parts;
    this.#approvals = approvals;
    this.#backend = session;
    this.id = row.id;
    this.nativeId = session.nativeId;
    this.origin = origin;
    this.#subject = { ...subject, sessionId: row.id };
    this.#log = new LogWriter(parts, this.#subject, {
      actor: row.agent === null ? 'gantry' : `agent:${row.agent}`,
      isResumed: origin.type === 'resumed',
    });
    this.#prices = settings.prices;
    this.#model = row.model ?? settings.backends[row.backend]?.model ?? null;
    this.#watch = new SessionWatch(parts.clock, settings.limits, {
      onStuck: (ms) => this.#stuck(ms),
      onUnstuck: () => this.#unstuck(),
      onHung: (ms) => this.#hung(ms),
    });
    this.ended = this.#pump();
  }

  /**
   * Opens a session for a row that is in the ledger already (state `starting`): no start is unknown after a crash.
   * @throws AppError of the backend; the row is then `failed` with the cause.
   */
  static async open(
    parts: Parts,
    approvals: Approvals,
    row: Session,
    spec: Omit<OpenSpec, 'sessionId'>,
    subject: Partial<FactSubject>,
  ): Promise<LiveSession> {
    const backend = parts.backends.get(row.backend);
    if (!backend) throw new Error(`backend ${row.backend} was checked when the session was made`);
    let opened: BackendSession;
    try {
      opened = await backend.open({ ...spec, sessionId: row.id });
    } catch (error) {
      failRow(parts, row, toAppError(error));
      throw error;
    }
    const origin = originOf(opened, row);
    parts.store.commit((tx) =>
      tx.sessions.move(
        row.id,
        'starting',
        'running',
        { nativeId: opened.nativeId, activity: 'idle', lastEventAt: parts.clock.now() },
        {
          actor: 'gantry',
          cause: causeOf(origin),
          subject,
        },
      ),
    );
    const settings = parts.settingsFor(spec.project.path);
    const live = new LiveSession(parts, approvals, opened, origin, row, subject, settings);
    approvals.attach(live);
    return live;
  }

  get subject(): Partial<FactSubject> {
    return this.#subject;
  }

  /** It was opened before it was known for what: from now on it is for this. */
  assign(subject: Partial<FactSubject>): void {
    this.#subject = { ...subject, sessionId: this.id };
    this.#log.about(this.#subject);
  }

  get isEnded(): boolean {
    return this.#end !== null;
  }

  prompt(prompt: StoredPrompt, mode: MessageMode): Promise<PromptReceipt> {
    this.#turn(prompt.id);
    this.#watch.turnBegan();
    return this.#backend.prompt({ id: prompt.id, text: prompt.text, native: prompt.native }, mode);
  }

  /** Resolves when the prompt's turn is over, or the session. */
  turnEnd(id: PromptId): Promise<TurnResult> {
    return this.#turn(id).promise;
  }

  /** What a prompt's turn used as far as it was told, also one without an end; null: nothing. */
  usedBy(id: PromptId): Usage | null {
    return this.#used.get(id) ?? null;
  }

  /** How a person joins it; null where that cannot be. */
  get view(): PersonView | null {
    return this.#backend.view ?? null;
  }

  /** Gives it to a person alone, once it is closed; null where that cannot be. */
  get lend(): (() => Promise<Loan>) | null {
    return this.#backend.lend ?? null;
  }

  interrupt(): Promise<void> {
    return this.#backend.interrupt();
  }

  answer: BackendSession['answer'] = (nativeId, decision) => this.#backend.answer(nativeId, decision);

  transcript(): ReturnType<BackendSession['transcript']> {
    return this.#backend.transcript();
  }

  /** Ends the conversation and what it started; `paused` keeps it for a resume. */
  async close(graceMs: number, state: 'stopped' | 'paused' | 'lost', cause: string): Promise<CloseReport> {
    const report = await this.#backend.close(graceMs);
    await this.ended;
    const row = this.#parts.store.read.sessions.need(this.id);
    const isLeft = row.state === state || (row.state === 'lost' && state === 'paused');
    if (!isSessionOver(row.state) && !isLeft) {
      const ended = state === 'stopped' ? { endedAt: this.#parts.clock.now() } : {};
      this.#move(row, state, { ...ended, activity: 'unknown', cause });
    }
    return report;
  }

  #move(row: Session, to: Session['state'], patch: Partial<Session>): void {
    this.#parts.store.commit((tx) =>
      tx.sessions.move(row.id, row.state, to, patch, {
        actor: 'gantry',
        cause: patch.cause ?? null,
        subject: this.#subject,
      }),
    );
  }

  #turn(id: PromptId): Deferred<TurnResult> {
    const known = this.#turns.get(id);
    if (known) return known;
    const made = deferred<TurnResult>();
    if (this.#end) made.resolve({ type: 'ended', reason: this.#end });
    this.#turns.set(id, made);
    return made;
  }

  async #pump(): Promise<void> {
    let reason: EndReason = { type: 'closed' };
    try {
      for await (const event of this.#backend.events) {
        if (event.type === 'ended') reason = event.reason;
        else await this.#take(this.#priced(event));
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#parts.log.error({ err: error, session: this.id }, 'the event stream of a session broke');
      const failure = { class: 'protocol', message, resetAt: null } as const;
      reason = { type: 'died', failure, exitCode: null, signal: null };
    }
    this.#over(reason);
  }

  #priced<E extends BackendEvent>(event: E): E {
    return 'usage' in event ? { ...event, usage: priced(event.usage, this.#model, this.#prices) } : event;
  }

  async #take(event: Exclude<BackendEvent, { type: 'ended' }>): Promise<void> {
    if (event.type === 'heartbeat') return this.#watch.heartbeat();
    this.#watch.word();
    this.#count(event);
    if (event.type === 'asked') {
      // Not waited for: the answer may need the events that follow.
      this.#approvals.asked(this, event).catch((error: unknown) => {
        this.#parts.log.error({ err: error, session: this.id }, 'a question could not be handled');
      });
    } else if (event.type === 'withdrawn') {
      this.#approvals.withdrawn(this.id, event.nativeId, event.cause);
    } else if (event.type === 'turn-ended') {
      this.#log.commit(event);
      this.#watch.turnEnded();
      this.#turn(event.promptId).resolve({ type: 'turn', turn: event });
      this.#activity('idle');
      return;
    } else {
      if (event.type === 'turn-started') this.#watch.turnBegan();
      if (event.type === 'usage') this.onUsage(event.usage);
      await this.#log.write(event);
    }
    this.#activity(activityAfter(event));
  }

  /** A running sum is of all prompts that share the turn: the oldest one has it. */
  #count(event: BackendEvent): void {
    if (event.type === 'turn-started') this.#running.push(event.promptId);
    if (event.type === 'usage' && this.#running[0] !== undefined) this.#used.set(this.#running[0], event.usage);
    if (event.type !== 'turn-ended') return;
    this.#used.set(event.promptId, event.usage);
    // Whoever gave a prompt takes its end before so many others are given.
    for (const id of this.#used.keys()) if (this.#used.size > MOST_USED) this.#used.delete(id);
    const at = this.#running.indexOf(event.promptId);
    if (at >= 0) this.#running.splice(at, 1);
  }

  /** Written only when it changes: an observation a turn, not a row per event. */
  #activity(to: Activity | null): void {
    if (to === null || to === this.#lastActivity) return;
    this.#lastActivity = to;
    const row = this.#parts.store.read.sessions.need(this.id);
    if (row.activity === to || isSessionOver(row.state)) return;
    this.#parts.store.commit((tx) =>
      tx.sessions.update(
        row.id,
        { activity: to, lastEventAt: this.#parts.clock.now() },
        { actor: 'gantry', subject: this.#subject },
      ),
    );
  }

  #stuck(silentMs: number): void {
    const text = `${this.#name}: no word for ${Math.round(silentMs / 60_000)} min, though its program lives`;
    // Whoever waits for a person is not stuck: the approval has its own deadline.
    if (this.#parts.store.read.sessions.need(this.id).activity.startsWith('waiting')) return;
    this.#activity('stuck');
    this.#parts.store.commit((tx) => openAlert(tx, `stuck:${this.id}`, text, this.#subject));
  }

  #unstuck(): void {
    this.#parts.store.commit((tx) => closeAlert(tx, `stuck:${this.id}`, 'it spoke again', this.#subject));
  }

  get #name(): string {
    return this.#subject.agent ?? this.id;
  }

  #hung(silentMs: number): void {
    const message = `its program has given no sign of life for ${Math.round(silentMs / 1_000)} s`;
    const failure = { class: 'crash', message, resetAt: null } as const;
    this.#over({ type: 'died', failure, exitCode: null, signal: null });
  }

  #over(reason: EndReason): void {
    if (this.#end !== null) return;
    this.#watch.turnEnded();
    this.#log.release();
    this.#end = reason;
    this.#approvals.detach(this, reason);
    if (reason.type === 'died') {
      const row = this.#parts.store.read.sessions.need(this.id);
      if (!isSessionOver(row.state) && row.state !== 'lost') {
        this.#move(row, 'lost', { activity: 'unknown', failure: reason.failure, cause: reason.failure.message });
      }
    }
    for (const turn of this.#turns.values()) turn.resolve({ type: 'ended', reason });
  }
}

/** Made anew though there was a conversation: whoever opened it knew that the backend cannot resume one. */
const originOf = ({ origin }: BackendSession, { backend, nativeId }: Session): BackendSession['origin'] =>
  origin.type === 'new' && nativeId !== null
    ? { type: 'new-instead', reason: `the backend ${backend} cannot resume a conversation` }
    : origin;

const causeOf = (origin: BackendSession['origin']): string =>
  origin.type === 'new-instead' ? `new session: ${origin.reason}` : `${origin.type} session`;

function activityAfter(event: BackendEvent): Activity | null {
  switch (event.type) {
    case 'turn-started':
    case 'tool-started':
    case 'text-delta':
      return 'busy';
    case 'asked':
      return null;
    case 'retrying':
      return 'waiting-quota';
    case 'compaction':
      return event.phase === 'started' ? 'compacting' : 'busy';
    default:
      return null;
  }
}

/** A conversation that exists may be brought back by a later try; one that never came to be is over. */
function failRow(parts: Parts, { id, nativeId }: Session, { code, message }: AppError): void {
  const failure = { class: 'start', message, resetAt: null } as const;
  const meta = { actor: 'gantry', cause: message };
  parts.store.commit((tx) => {
    // Nobody wants it now: nothing is lost.
    if (nativeId !== null && code === 'cancelled') tx.sessions.move(id, 'starting', 'paused', { cause: message }, meta);
    else if (nativeId !== null) tx.sessions.move(id, 'starting', 'lost', { failure, cause: message }, meta);
    else tx.sessions.move(id, 'starting', 'failed', { failure, cause: message, endedAt: parts.clock.now() }, meta);
  });
}
