import type { CloseReport } from '../../backends/backend.ts';
import { deferred, firstOf } from '../../base/wait.ts';
import type { Agent, Standing } from '../../contract/agent.ts';
import type { StoredPrompt } from '../../contract/attempt.ts';
import { AppError, toAppError } from '../../contract/errors.ts';
import type { PromptId } from '../../contract/ids.ts';
import type { Message } from '../../contract/message.ts';
import type { Project } from '../../contract/project.ts';
import { closeAlert, openAlert } from '../alerts.ts';
import type { Approvals } from '../approvals/approvals.ts';
import { introduction, mailText } from '../attempts/prompts.ts';
import type { Workspaces } from '../attempts/workspace.ts';
import { BudgetHold } from '../budget/budget-hold.ts';
import { untoldMail, waitingMail } from '../messages/mail.ts';
import { tellSender } from '../messages/post.ts';
import type { Parts } from '../parts.ts';
import type { LiveSession } from '../sessions/session.ts';
import { isTold } from '../sessions/session-row.ts';
import { type Given, Turns } from '../sessions/turns.ts';
import type { Settings } from '../settings.ts';
import { StandingLedger } from './standing-ledger.ts';
import { openStandingSession } from './standing-session.ts';

/**
 * How a run is told to end: `stop` for good; `park` keeps the conversation for a later run; `shutdown` too, but leaves a turn
 * that is under way; `hand-over` leaves it open for whoever takes it.
 */
export type StandingStop = { readonly type: 'stop' | 'park' | 'shutdown' | 'hand-over'; readonly cause: string };

const GRACE_MS = 5_000;
/** Times that a program which died without having ended a turn is brought back by itself; then a message or a person does it. */
const MAX_DEATHS = 2;
/** The first pause before one that is kept ready is made again; each further one is twice as long. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 300_000;
/** One that stood so long was well: its end counts as the first. */
const WELL_MS = 300_000;
/** Without `roles.<name>.idleClose`. */
const IDLE_CLOSE_MS = 15 * 60_000;

/** A session without a task: it stands by, asks no model, and takes messages as turns. Also one that an earlier daemon began. */
export class StandingRun {
  readonly #parts: Parts;
  readonly #tools: { readonly approvals: Approvals; readonly workspaces: Workspaces };
  readonly #ledger: StandingLedger;
  readonly #turns: Turns;
  readonly #agent: Agent;
  readonly #project: Project | null;
  readonly #settings: Settings;
  /** Just started by a person, who is told if it cannot be. */
  readonly #isFirst: boolean;
  readonly #onChanged: () => void;
  readonly #hold: BudgetHold;
  readonly #stop = new AbortController();
  readonly #stopped = deferred<'stopped'>();
  /** Rejects when it is told to end. */
  readonly #cut = deferred<never>();
  #ready = deferred<LiveSession>();
  /** A person asked for it while it had no program. */
  #isCalled = false;
  /** Its program is on its way. */
  isOpening = false;
  #mail = deferred<'mail'>();
  #reason: StandingStop | null = null;
  #live: LiveSession | null = null;
  #deaths = 0;
  /** Given, and its use not counted yet. */
  #inTurn: PromptId | null = null;
  #openedAt: number;
  /** How the program ended; null if there was none. */
  closed: CloseReport | null = null;
  /** Resolves when nothing of the run is left; rejects if it broke, as on a full disk. */
  readonly finished: Promise<void>;

  constructor(
    parts: Parts,
    tools: { readonly approvals: Approvals; readonly workspaces: Workspaces },
    agent: Agent & { readonly standing: Standing },
    isFirst: boolean,
    onChanged: () => void,
  ) {
    this.#parts = parts;
    this.#tools = tools;
    this.#agent = agent;
    this.#isFirst = isFirst;
    this.#onChanged = onChanged;
    this.#openedAt = parts.clock.now();
    this.#hold = new BudgetHold(parts, agent, { begun: onChanged, dayOver: () => this.mailCame() });
    this.#ledger = new StandingLedger(parts, agent.id, agent.standing.sessionId);
    this.#turns = new Turns(parts, this.#ledger);
    this.#project = agent.projectId === null ? null : parts.store.read.projects.need(agent.projectId);
    this.#settings = parts.settingsFor(this.#project?.path ?? null);
    this.finished = this.#run();
  }

  get live(): LiveSession | null {
    return this.#live?.isEnded === false ? this.#live : null;
  }

  /** Resolves with the open session; rejects if the opening failed. */
  get ready(): Promise<LiveSession> {
    return this.#ready.promise;
  }

  /** Open, and kept for the next task that it fits. */
  get isReady(): boolean {
    return this.live !== null && this.#reason === null && this.#isWarm;
  }

  get #isWarm(): boolean {
    return this.#standing?.warm != null;
  }

  /** As it is now, also once this run is no longer the agent's. */
  get #standing(): Standing | null {
    return this.#parts.store.read.agents.get(this.#agent.id)?.standing ?? null;
  }

  /** A person wants it open: one that is down or let its program go opens again. */
  call(): void {
    this.#isCalled = true;
    this.mailCame();
  }

  /** It has a message, and waits for room in a budget. */
  get isHeld(): boolean {
    return this.#hold.isHeld;
  }

  #mayTalk(mail: readonly Message[]): boolean {
    return isWaking(mail) && this.#hold.hasRoom();
  }

  mailCame(): void {
    this.#mail.resolve('mail');
    this.#turns.mailCame();
  }

  /** Told to end, and to go on later. */
  get isParked(): boolean {
    return this.#reason?.type === 'park';
  }

  /** The first reason holds. */
  stop(reason: StandingStop): void {
    this.#reason ??= reason;
    this.#stop.abort();
    this.#stopped.resolve('stopped');
    this.#cut.reject(new AppError('cancelled', 'the run is to end'));
  }

  async #run(): Promise<void> {
    while (this.#reason === null) {
      try {
        await this.#stand();
      } catch (error) {
        this.#ready.reject(toAppError(error));
        if (this.#isFirst && this.#live === null) this.stop({ type: 'stop', cause: toAppError(error).message });
        await this.#down(error);
      }
    }
    this.#ready.reject(new AppError('cancelled', this.#reason.cause));
    await this.#close(this.#reason);
  }

  /** One life of the agent program: turn after turn as messages come. Returns when the run is to end. */
  async #stand(): Promise<void> {
    this.isOpening = true;
    const live = await this.#open().finally(() => {
      this.isOpening = false;
    });
    this.#ready.resolve(live);
    this.#onChanged();
    for (;;) {
      this.#mail = deferred();
      const next = this.#next(live);
      if (next) await this.#talk(live, next);
      else {
        const idle = this.#idle();
        const woken = await firstOf<unknown>([this.#mail.promise, this.#stopped.promise, live.ended, idle.elapsed]);
        idle.cancel();
        if (live.isEnded && this.#reason === null) throw new AppError('backend_failed', this.#causeOfEnd(live));
        if (woken === 'stopped') return;
        if (woken === 'idle') return await this.#rest(live);
      }
    }
  }

  #idle(): { readonly elapsed: Promise<'idle'>; readonly cancel: () => void } {
    const elapsed = deferred<'idle'>();
    const ms = this.#settings.roles[this.#agent.role]?.idleClose ?? IDLE_CLOSE_MS;
    if (ms === 0 || this.#isWarm) return { elapsed: elapsed.promise, cancel: () => undefined };
    return { elapsed: elapsed.promise, cancel: this.#parts.clock.after(ms, () => elapsed.resolve('idle')) };
  }

  /** Nothing was to do for so long: its program goes, its conversation stays. Returns when there is something for it. */
  async #rest(live: LiveSession): Promise<void> {
    this.#ready = deferred();
    this.#isCalled = false;
    await live.close(GRACE_MS, 'paused', 'it was idle; a message opens it again');
    while (this.#reason === null && !this.#isCalled && !this.#mayTalk(this.#mailFor(live).mail)) {
      this.#mail = deferred();
      await firstOf<unknown>([this.#mail.promise, this.#stopped.promise]);
    }
  }

  #causeOfEnd(live: LiveSession): string {
    return this.#parts.store.read.sessions.need(live.id).cause ?? 'its program ended';
  }

  async #open(): Promise<LiveSession> {
    const subject = { projectId: this.#agent.projectId, agent: this.#agent.id };
    const who = { agent: this.#agent, project: this.#project, settings: this.#settings };
    const live = await openStandingSession(this.#parts, this.#tools, this.#ledger, who, this.#stop.signal);
    this.#live = live;
    this.#openedAt = this.#parts.clock.now();
    if (this.#standing?.forkOf != null) this.#ledger.forked();
    if (live.origin.type === 'new-instead') this.#ledger.forgetPrompts(`new session, ${live.origin.reason}`);
    this.#parts.store.commit((tx) => closeAlert(tx, this.#alert, 'it stands by again', subject));
    return live;
  }

  /** What is on its way goes out again with the same ids; else what came meanwhile. A notice wakes nobody. */
  #next(live: LiveSession): StoredPrompt | null {
    const { standing } = this.#ledger;
    if (standing.warm !== null) return null;
    const [pending] = standing.prompts;
    if (pending) return pending;
    const { isKnown, mail } = this.#mailFor(live);
    if (!this.#mayTalk(mail)) return null;
    const role = this.#settings.roles[this.#agent.role]?.prompt ?? null;
    const text = [isKnown ? null : introduction(this.#agent, role), standing.note, mailText(mail)];
    return this.#ledger.storePrompt('message', text.filter((part) => part !== null).join('\n\n'), mail);
  }

  /** What waits for it; `isKnown`: its conversation knows who it is. */
  #mailFor(live: LiveSession): { readonly isKnown: boolean; readonly mail: readonly Message[] } {
    const isKnown = isTold(this.#parts.store.read, live.id, live.nativeId);
    const { id } = this.#agent;
    return { isKnown, mail: isKnown ? waitingMail(this.#parts, id, []) : untoldMail(this.#parts, id) };
  }

  async #talk(live: LiveSession, first: StoredPrompt): Promise<void> {
    for (let given: Given | null = this.#turns.give(live, first, 'next-turn'); given; given = this.#turns.unheard()) {
      const { prompt, receipt } = given;
      this.#inTurn = prompt.id;
      const answer = await receipt;
      if (answer.type === 'refused') throw new AppError('backend_refused', answer.failure.message);
      const result = await this.#turns.hear(live, prompt, this.#cut.promise);
      if (result.type === 'ended') throw new AppError('backend_failed', this.#causeOfEnd(live));
      const { turn } = result;
      const isHeard = turn.outcome === 'done' || turn.outcome === 'interrupted';
      this.#ledger.turnEnded(prompt.id, turn.usage, isHeard);
      this.#inTurn = null;
      this.#deaths = 0;
      if (!isHeard) this.#tellSenders(prompt, turn.failure?.message ?? `the turn ended: ${turn.outcome}`);
    }
  }

  #tellSenders({ id }: StoredPrompt, cause: string): void {
    this.#parts.store.commit((tx) => {
      for (const message of this.#ledger.carried(id))
        tellSender(this.#parts, tx, message, `was given, but the turn failed: ${cause}`);
    });
  }

  /** Its program died, or would not start: it is brought back so often, then when there is something to do for it. */
  async #down(error: unknown): Promise<void> {
    const { code, message } = toAppError(error);
    // Stopped at the same moment: what holds is in the ledger already.
    if (code === 'stale') this.stop({ type: 'park', cause: message });
    if (this.#reason !== null) return;
    const stood = this.#parts.clock.now() - this.#openedAt;
    await this.#live?.close(GRACE_MS, 'paused', message);
    this.#deaths = stood >= WELL_MS ? 1 : this.#deaths + 1;
    this.#parts.log.warn({ err: error, agent: this.#agent.id }, 'the session of a standing agent ended');
    if (this.#isWarm) return await this.#pause(message);
    if (this.#deaths <= MAX_DEATHS) return;
    const text = `${this.#agent.id} does not stand by: ${message}. A message, or gantry agent start ${this.#agent.id}, tries again`;
    this.#parts.store.commit((tx) => openAlert(tx, this.#alert, text, { agent: this.#agent.id }));
    this.#mail = deferred();
    await firstOf<unknown>([this.#mail.promise, this.#stopped.promise]);
  }

  /** Nobody waits for one that is kept ready, and nobody would call it: it is made again by itself, ever less often. */
  async #pause(cause: string): Promise<void> {
    const { id } = this.#agent;
    const pause = pauseMs(this.#deaths);
    if (this.#deaths > MAX_DEATHS)
      this.#parts.store.commit((tx) =>
        openAlert(tx, this.#alert, `${id} cannot be kept ready: ${cause}`, { agent: id }),
      );
    const elapsed = deferred<'elapsed'>();
    const cancel = this.#parts.clock.after(pause, () => elapsed.resolve('elapsed'));
    await firstOf<unknown>([elapsed.promise, this.#stopped.promise]);
    cancel();
  }

  get #alert(): string {
    return `standing:${this.#agent.id}`;
  }

  async #close({ type, cause }: StandingStop): Promise<void> {
    // A turn that is under way goes on without the daemon; a program that only waits for it has nothing to do.
    const isLeft = type === 'hand-over' || (type === 'shutdown' && this.#inTurn !== null);
    try {
      this.#hold.end(cause);
    } catch (error) {
      this.#parts.log.error({ err: error, agent: this.#agent.id }, 'an alert could not be closed');
    }
    if (isLeft) return;
    try {
      this.closed = (await this.#live?.close(GRACE_MS, type === 'stop' ? 'stopped' : 'paused', cause)) ?? null;
      // One that is parked is taken up again, and then tells all that it used.
      const used = this.#inTurn === null || type !== 'stop' ? null : (this.#live?.usedBy(this.#inTurn) ?? null);
      if (used !== null) this.#ledger.turnCut(used);
    } catch (error) {
      this.#parts.log.error({ err: error, agent: this.#agent.id }, 'a session did not close in order');
    }
  }
}

/** How long one that is kept ready stays down after so many ends, one soon after the other. */
export const pauseMs = (deaths: number): number => Math.min(FIRST_PAUSE_MS * 2 ** (deaths - 1), LONGEST_PAUSE_MS);

const isWaking = (mail: readonly Message[]): boolean => mail.some(({ kind }) => kind !== 'notice');
