import type {
  BackendEvent,
  BackendSession,
  CloseReport,
  EndReason,
  Loan,
  PersonView,
  PromptReceipt,
} from '../../backends/backend.ts';
import type { StoredPrompt } from '../../contract/attempt.ts';
import type { FactSubject } from '../../contract/fact.ts';
import type { Failure } from '../../contract/failure.ts';
import type { PromptId } from '../../contract/ids.ts';
import type { MessageMode } from '../../contract/message.ts';
import { type Activity, isSessionOver, type Session } from '../../contract/session.ts';
import type { Usage } from '../../contract/usage.ts';
import { closeAlert, openAlert } from '../alerts.ts';
import type { Approvals } from '../approvals/approvals.ts';
import { type Freezer, Standstill } from '../attempts/standstill.ts';
import { priced } from '../budget/prices.ts';
import type { Parts } from '../parts.ts';
import type { Settings } from '../settings.ts';
import { LogWriter } from './session-log.ts';
import { SessionTurns, type TurnResult } from './session-turns.ts';
import { SessionWatch } from './session-watch.ts';

/** What a session was opened for. */
type Opened = {
  readonly row: Session;
  readonly origin: BackendSession['origin'];
  readonly subject: Partial<FactSubject>;
  readonly settings: Settings;
  readonly freezer: Freezer | null;
};

/**
 * One live conversation: its row in the ledger, its events as facts, its questions as approvals.
 * Whoever opens it owns its end: `close`.
 */
export class LiveSession {
  readonly #parts: Parts;
  readonly #approvals: Approvals;
  readonly #backend: BackendSession;
  readonly #log: LogWriter;
  readonly #turns = new SessionTurns();
  #subject: Partial<FactSubject>;
  readonly id: Session['id'];
  readonly nativeId: string;
  readonly origin: BackendSession['origin'];
  readonly #watch: SessionWatch;
  readonly #standstill: Standstill;
  readonly #prices: Settings['prices'];
  /** As far as it is known: what the program uses when none is named, only it knows. */
  readonly #model: string | null;
  #end: EndReason | null = null;
  #lastActivity: Activity | null = null;
  /** Called with what the running turn has used so far, each time the agent program tells it. */
  onUsage: (usage: Usage) => void = () => undefined;
  /** Called when a question of this session was settled. */
  onSettled: () => void = () => undefined;
  /** Resolves when the last event is in the ledger. */
  readonly ended: Promise<void>;

  /** Whoever makes it has `backend` open; see `openSession`. */
  constructor(
    parts: Parts,
    approvals: Approvals,
    backend: BackendSession,
    { row, origin, subject, settings, freezer }: Opened,
  ) {
    this.#parts = parts;
    this.#approvals = approvals;
    this.#backend = backend;
    this.#standstill = new Standstill(freezer);
    this.id = row.id;
    this.nativeId = backend.nativeId;
    this.origin = origin;
    this.#subject = { ...subject, sessionId: row.id };
    this.#log = new LogWriter(parts, this.#subject, {
      actor: row.agent === null ? 'gantry' : `agent:${row.agent}`,
      isResumed: origin.type === 'resumed',
    });
    this.#prices = settings.prices;
    this.#model = row.model ?? settings.backends[row.backend]?.model ?? null;
    this.#watch = new SessionWatch(parts.clock, settings.limits, {
      onStuck: (ms) => this.#tell(() => this.#stuck(ms)),
      onUnstuck: () => this.#tell(() => this.#unstuck()),
      onHung: (ms) => this.#hung(ms),
    });
    this.ended = this.#pump();
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
    return this.#standstill.call(() => {
      this.#watch.turnBegan();
      return this.#backend.prompt({ id: prompt.id, text: prompt.text, native: prompt.native }, mode);
    });
  }

  /** Resolves when the prompt's turn is over, or the session. */
  turnEnd(id: PromptId): Promise<TurnResult> {
    return this.#turns.end(id);
  }

  /** What a prompt's turn used as far as it was told, also one without an end; null: nothing. */
  usedBy(id: PromptId): Usage | null {
    return this.#turns.usedBy(id);
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
    return this.#standstill.call(() => this.#backend.interrupt());
  }

  answer: BackendSession['answer'] = (nativeId, decision) =>
    this.#standstill.call(() => this.#backend.answer(nativeId, decision));

  transcript(): ReturnType<BackendSession['transcript']> {
    return this.#standstill.call(() => this.#backend.transcript());
  }

  get canFreeze(): boolean {
    return this.#standstill.isPossible && !this.isEnded;
  }

  get isFrozen(): boolean {
    return this.#standstill.isNow;
  }

  /** Its programs stand still; what it is told waits. @throws AppError with the cause; then it runs on */
  async freeze(cause: string): Promise<void> {
    this.#watch.froze();
    try {
      await this.#standstill.freeze();
      const row = this.#parts.store.read.sessions.need(this.id);
      if (row.state === 'running') this.#move(row, 'paused', { cause: `frozen: ${cause}` });
    } catch (error) {
      this.#watch.thawed();
      throw error;
    }
  }

  /** @throws AppError with the cause; then its program is gone */
  async thaw(cause: string): Promise<void> {
    await this.#standstill.thaw();
    this.#watch.thawed();
    const row = this.#parts.store.read.sessions.need(this.id);
    if (row.state === 'paused' && !this.isEnded) this.#move(row, 'running', { cause: `thawed: ${cause}` });
  }

  /** Ends the conversation and what it started; `paused` keeps it for a resume. */
  async close(graceMs: number, state: 'stopped' | 'paused' | 'lost', cause: string): Promise<CloseReport> {
    await this.#standstill.end().catch((error: unknown) => {
      this.#parts.log.warn({ err: error, session: this.id }, 'a frozen program did not go on and was ended');
    });
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
    if (event.type === 'turn-started') this.#turns.began(event.promptId);
    if (event.type === 'usage') this.#turns.uses(event.usage);
    if (event.type === 'turn-ended') this.#turns.counted(event);
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
      this.#turns.ended(event);
      this.#activity('idle');
      return;
    } else {
      if (event.type === 'turn-started') this.#watch.turnBegan();
      if (event.type === 'usage') this.onUsage(event.usage);
      await this.#log.write(event);
    }
    this.#activity(activityAfter(event));
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
    this.#tell(() => {
      this.#approvals.detach(this, reason);
      if (reason.type === 'died') this.#lost(reason.failure);
    });
    this.#turns.sessionEnded(reason);
  }

  #lost(failure: Failure): void {
    const row = this.#parts.store.read.sessions.need(this.id);
    if (isSessionOver(row.state) || row.state === 'lost') return;
    this.#move(row, 'lost', { activity: 'unknown', failure, cause: failure.message });
  }

  /** What a full disk keeps from being written must not keep whoever waits for this session waiting. */
  #tell(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#parts.log.error({ err: error, session: this.id }, 'a change of a session could not be written down');
    }
  }
}

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
