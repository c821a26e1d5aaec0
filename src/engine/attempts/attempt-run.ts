import type { CloseReport } from '../../backends/backend.ts';
import { deferred } from '../../base/wait.ts';
import type { Attempt, StoredPrompt } from '../../contract/attempt.ts';
import { AppError, toAppError } from '../../contract/errors.ts';
import type { Failure } from '../../contract/failure.ts';
import type { Project } from '../../contract/project.ts';
import type { Check } from '../../contract/task.ts';
import type { Usage } from '../../contract/usage.ts';
import type { StandingAgents } from '../agents/standing.ts';
import { isTaken, takeWarm } from '../agents/warm-take.ts';
import type { Approvals } from '../approvals/approvals.ts';
import { type Overrun, overBudget } from '../budget/budget.ts';
import type { Parts } from '../parts.ts';
import { unblock } from '../scheduling/breaker.ts';
import { removeIsolatedHome } from '../scheduling/isolation.ts';
import type { LiveSession } from '../sessions/session.ts';
import { type Given, Turns } from '../sessions/turns.ts';
import type { Settings } from '../settings.ts';
import { AttemptFailure, failureOf, isBackendDown, isHopeless, turnFailure } from './attempt-failure.ts';
import { AttemptFreeze } from './attempt-freeze.ts';
import { AttemptLedger } from './attempt-ledger.ts';
import { AttemptPrompts } from './attempt-prompts.ts';
import { openAttemptSession } from './attempt-session.ts';
import type { Collector } from './collect.ts';
import { settleFailure } from './settle.ts';
import { type Verification, verify } from './verify.ts';
import type { Saved, Workspaces } from './workspace.ts';

/** Why a run is told to end. `park` and `shutdown` leave the attempt to a later run; the others end it. */
export type Stop = { readonly type: 'cancel' | 'park' | 'shutdown' | 'timeout'; readonly cause: string };

const GRACE_MS = 5_000;
/** Turns that somebody outside of Gantry broke off are taken up again, so often. */
const MAX_INTERRUPTIONS = 2;
const CLOSED_FROM_OUTSIDE: Failure = { class: 'crash', message: 'the session was closed from outside', resetAt: null };

/** Carries one attempt from its workspace to its end, also one that an earlier daemon began. */
export class AttemptRun {
  readonly #parts: Parts;
  readonly #approvals: Approvals;
  readonly #workspaces: Workspaces;
  readonly #collector: Collector;
  readonly #standing: StandingAgents;
  readonly #ledger: AttemptLedger;
  readonly #turns: Turns;
  readonly #prompts: AttemptPrompts;
  readonly #project: Project;
  readonly #settings: Settings;
  readonly #stop = new AbortController();
  /** Rejects when it is told to end. */
  readonly #stopped = deferred<never>();
  #reason: Stop | null = null;
  #live: LiveSession | null = null;
  /** The agent's last words of its last turn. */
  #summary = '';
  #interruptions = 0;
  #isBackendDown = false;
  #overrun: Overrun | null = null;
  readonly #freeze: AttemptFreeze;
  readonly #left = deferred<'left'>();
  readonly #opened = deferred<LiveSession>();
  /** Resolves with its first session; rejects if the run ends without one. */
  readonly opened = this.#opened.promise;
  /** How the agent program ended; null while it runs, or if there was none. */
  closed: CloseReport | null = null;
  /** Resolves when nothing of the run is left; never rejects. */
  readonly finished: Promise<void>;

  constructor(
    parts: Parts,
    tools: { approvals: Approvals; workspaces: Workspaces; collector: Collector; standing: StandingAgents },
    attempt: Attempt,
  ) {
    this.#parts = parts;
    this.#approvals = tools.approvals;
    this.#workspaces = tools.workspaces;
    this.#collector = tools.collector;
    this.#standing = tools.standing;
    this.#ledger = new AttemptLedger(parts, attempt);
    this.#turns = new Turns(parts, this.#ledger);
    this.#project = parts.store.read.projects.need(parts.store.read.tasks.need(attempt.taskId).projectId);
    this.#settings = parts.settingsFor(this.#project.path);
    this.#prompts = new AttemptPrompts(parts, this.#ledger, this.#settings);
    this.#freeze = new AttemptFreeze(parts, this.#ledger, (reason) => this.stop(reason));
    this.finished = this.#run()
      // As on a full disk, when it is told to end: a later run takes up what the ledger says.
      .catch((error: unknown) => parts.log.error({ err: error, attempt: attempt.id }, 'a run broke'))
      .finally(() => {
        this.#freeze.cancel();
        this.#opened.reject(new AppError('cancelled', this.#reason?.cause ?? 'it ended before it had a session'));
      });
  }

  get live(): LiveSession | null {
    return this.#live;
  }

  /** Something was sent to an agent, perhaps to this one's. */
  mailCame(): void {
    this.#turns.mailCame();
  }

  /** Told to end, and to go on later. */
  get isParked(): boolean {
    return this.#reason?.type === 'park';
  }

  /** The first reason holds. */
  stop(reason: Stop): void {
    this.#reason ??= reason;
    if (reason.type !== 'timeout') this.#left.resolve('left');
    this.#stop.abort();
    this.#stopped.reject(new AppError('cancelled', this.#reason.cause));
  }

  /** @returns whether its program stands still; one that is between turns, or somewhere else, cannot */
  async freeze(cause: string): Promise<boolean> {
    return this.#reason === null && (await this.#freeze.begin(cause));
  }

  /** Resolves when it goes on, or nothing of it is left. */
  async thaw(cause: string): Promise<void> {
    if (this.#reason === null) await this.#freeze.end(cause);
    if (this.#reason !== null) await this.finished;
  }

  async #run(): Promise<void> {
    try {
      await this.#work();
      await this.#close('stopped', 'the task is done');
      await removeIsolatedHome(this.#parts, this.#ledger.attempt);
    } catch (error) {
      await this.#ended(error);
    }
  }

  async #work(): Promise<void> {
    const { attempt } = this.#ledger;
    await this.#takeAgent(attempt);
    const setup = attempt.number === 1 ? this.#settings.setup : null;
    await this.#workspaces.prepare(this.#project, this.#ledger.attempt, setup, this.#stop.signal);
    let prompt = attempt.state === 'verifying' ? null : this.#prompts.first(await this.#session());
    for (;;) {
      if (prompt) await this.#talk(prompt);
      const { verification, saved } = await this.#verify();
      if (verification.isMet) {
        const claim = { summary: this.#summary, checks: [...verification.checks], ...saved };
        return this.#collector.collect(this.#project, this.#ledger, claim);
      }
      prompt = this.#prompts.evidence(verification);
    }
  }

  /** An agent has one conversation at a time: the one that it stands by with makes way, or, kept ready for this, is the attempt's. */
  async #takeAgent({ id, agent, taskId }: Attempt): Promise<void> {
    if (!isTaken(this.#parts.store.read, id))
      return await this.#standing.end([agent], { type: 'park', cause: `it works on ${taskId}` });
    this.#live = await this.#standing.handOver(agent);
    const given = { ledger: this.#ledger, project: this.#project, settings: this.#settings };
    this.#live = await takeWarm(this.#parts, this.#workspaces, given, this.#live, this.#stop.signal);
    if (this.#live) this.#begun(this.#live);
  }

  async #session(): Promise<LiveSession> {
    this.#live ??= await this.#open();
    return this.#live;
  }

  async #open(): Promise<LiveSession> {
    try {
      const live = await openAttemptSession(
        this.#parts,
        this.#approvals,
        this.#ledger,
        this.#project,
        this.#settings,
        this.#stop.signal,
      );
      this.#begun(live);
      return live;
    } catch (error) {
      this.#opened.reject(toAppError(error));
      this.#isBackendDown = this.#reason === null && isBackendDown(error);
      throw error;
    }
  }

  #begun(live: LiveSession): void {
    const { backend } = this.#ledger.attempt;
    this.#parts.store.commit((tx) => unblock(tx, backend));
    this.#opened.resolve(live);
    live.onUsage = (usage) => this.#watchSpending(live, usage);
  }

  /** Between two requests to the model nothing is lost by an interruption. */
  #watchSpending(live: LiveSession, usage: Usage): void {
    if (this.#overrun !== null) return;
    this.#overrun = overBudget(this.#parts, this.#ledger.task, usage);
    if (this.#overrun === null) return;
    live.interrupt().catch((error: unknown) => {
      this.#parts.log.warn({ err: error, attempt: this.#ledger.id }, 'a turn over its budget was not interrupted');
    });
  }

  /** Turn after turn until nothing more is to be said. */
  async #talk(first: StoredPrompt): Promise<void> {
    for (let next: StoredPrompt | Given | null = first; next !== null; ) {
      const live = await this.#session();
      next = await this.#turn(live, 'receipt' in next ? next : this.#turns.give(live, next, 'next-turn'));
    }
  }

  async #turn(live: LiveSession, { prompt, receipt }: Given): Promise<StoredPrompt | Given | null> {
    const answer = await receipt;
    if (answer.type === 'refused') throw new AttemptFailure(answer.failure);
    const stopped = this.#stopped.promise;
    const result = await this.#freeze.turn(live, () => this.#turns.hear(live, prompt, stopped), stopped);
    if (result.type === 'ended') {
      throw new AttemptFailure(result.reason.type === 'died' ? result.reason.failure : CLOSED_FROM_OUTSIDE);
    }
    this.#ledger.turnEnded(prompt.id, result.turn.usage);
    this.#summary = result.turn.text;
    this.#checkBudget();
    // What joined this turn ends with it; what broke it goes on in its place: the last one says how it went.
    const unheard = this.#turns.unheard();
    if (unheard) return unheard;
    if (result.turn.outcome === 'interrupted' && this.#interruptions < MAX_INTERRUPTIONS) {
      this.#interruptions += 1;
      return this.#prompts.goOn('the turn was interrupted');
    }
    const failure = turnFailure(result.turn);
    if (failure) throw new AttemptFailure(failure);
    return this.#prompts.mail();
  }

  #checkBudget(): void {
    this.#overrun = overBudget(this.#parts, this.#ledger.task, null);
    if (this.#overrun) throw new AttemptFailure(this.#overrun.failure);
  }

  /** What is checked is what was committed: files that the checks leave behind are not collected. */
  async #verify(): Promise<{ verification: Verification; saved: Saved }> {
    const { task, attempt } = this.#ledger;
    const saved = await this.#workspaces.save(this.#project, task, attempt);
    this.#ledger.verifying(saved.commit);
    const live = await this.#session();
    const verification = await verify(this.#parts, this.#approvals, {
      task,
      session: this.#parts.store.read.sessions.need(live.id),
      workspace: attempt.workspace,
      isolation: attempt.isolation,
      changes: saved.changes,
      limitMs: this.#settings.limits.commandTimeout,
      signal: this.#stop.signal,
      onCheck: (check: Check) =>
        this.#ledger.change('check', (tx) =>
          tx.record('check.ran', { round: attempt.verifyRounds, check }, this.#ledger.subject, 'gantry'),
        ),
    });
    return { verification, saved };
  }

  async #ended(error: unknown): Promise<void> {
    const reason = this.#reason;
    if (reason?.type === 'shutdown') return this.#live?.isFrozen ? this.#close('paused', reason.cause) : undefined;
    if (reason?.type === 'park') {
      await this.#close('paused', reason.cause);
      return this.#ledger.forgetAccepted();
    }
    if (reason?.type === 'cancel') return this.#close('stopped', reason.cause);
    if (toAppError(error).code === 'stale') return this.#close('stopped', 'another attempt holds the task');
    const failure: Failure = reason ? { class: 'timeout', message: reason.cause, resetAt: null } : failureOf(error);
    if (failure.class === 'internal')
      this.#parts.log.error({ err: error, attempt: this.#ledger.id }, 'an attempt failed inside of Gantry');
    const overrun = failure.class === 'budget' ? this.#overrun : null;
    const how = { isHopeless: isHopeless(error), isBackendDown: this.#isBackendDown, overrun };
    const given = { failure, how, limits: this.#settings.limits };
    const onRefused = ({ message }: Failure): Promise<void> => this.#close('paused', message);
    const end = await settleFailure(this.#parts, this.#ledger, given, onRefused, this.#left.promise);
    this.#approvals.start();
    await this.#close(end === 'again' ? 'paused' : 'stopped', failure.message);
  }

  async #close(state: 'stopped' | 'paused', cause: string): Promise<void> {
    try {
      const live = this.#live;
      const report = await live
        ?.close(GRACE_MS, state, cause)
        .finally(() => this.#ledger.turnsCut((id) => live.usedBy(id)));
      this.closed = report ?? null;
    } catch (error) {
      this.#parts.log.error({ err: error, attempt: this.#ledger.id }, 'a session did not close in order');
    }
  }
}
