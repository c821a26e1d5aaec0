import { type Attempt, isAttemptLive, LIVE_ATTEMPT_STATES } from '../../contract/attempt.ts';
import type { AgentAddress, AttemptId, RequestId } from '../../contract/ids.ts';
import { isTaskActive, type Task } from '../../contract/task.ts';
import { raiseEscalations } from '../agents/escalate.ts';
import type { StandingAgents } from '../agents/standing.ts';
import type { WarmPool } from '../agents/warm-pool.ts';
import type { Approvals } from '../approvals/approvals.ts';
import { AttemptRun, type Stop } from '../attempts/attempt-run.ts';
import type { Collector } from '../attempts/collect.ts';
import type { Workspaces } from '../attempts/workspace.ts';
import { expireQueued } from '../delegation/delegation-queue.ts';
import { expireMail } from '../messages/mail.ts';
import type { Parts } from '../parts.ts';
import { endSession } from '../sessions/session-row.ts';
import { settingsOrCause, settingsProblem } from '../settings.ts';
import { stopFor } from '../stops.ts';
import { candidate, capacityFor } from './capacity.ts';
import { claimOrStop } from './claim.ts';
import { rerouteBlocked } from './failover.ts';
import { finishRequests } from './finish.ts';
import type { MemoryUse } from './memory-use.ts';
import { promote } from './promote.ts';
import { type Candidate, type Choice, choose } from './scheduler.ts';
import { limitsIn, type Seen, tellUnread } from './seen-settings.ts';

/** Free memory is not told by anybody: it is looked at again. */
const MEMORY_LOOK_MS = 5_000;
/** After a pass or a change that could not be written down, as on a full disk. */
const AGAIN_MS = 5_000;
/** Nor is a changed limit: while something waits, it is looked whether the settings are still those that it waits by. */
const SETTINGS_LOOK_MS = 1_000;
/** So seldom while nothing waits: agents that are to stand ready may be wanted. */
const IDLE_LOOK_MS = 30_000;

type Tools = {
  readonly approvals: Approvals;
  readonly workspaces: Workspaces;
  readonly collector: Collector;
  readonly standing: StandingAgents;
  readonly pool: WarmPool;
  readonly memory: MemoryUse;
};

/** Gives ready tasks out, as many as the limits allow, and looks after the runs. Woken by facts; idle it does nothing. */
export class Dispatcher {
  readonly #parts: Parts;
  readonly #tools: Tools;
  readonly #runs = new Map<AttemptId, AttemptRun>();
  #isWoken = false;
  #pumping: Promise<void> | null = null;
  #isStopped = false;
  /** Settings of a project could not be read, as far as is known: its attempts may wait for that. */
  #isUnread = true;
  #cancelTimer: (() => void) | null = null;
  #cancelLook: () => void = () => undefined;

  constructor(parts: Parts, tools: Tools) {
    this.#parts = parts;
    this.#tools = tools;
  }

  /** The run of an attempt, if it has one now. */
  run(id: AttemptId): AttemptRun | undefined {
    return this.#runs.get(id);
  }

  /** Messages were queued: whoever is in a turn looks whether they may wait. */
  mailCame(): void {
    for (const run of this.#runs.values()) run.mailCame();
  }

  /** Something may have become possible. Many calls in one turn of the event loop are one pass. */
  wake(): void {
    this.#isWoken = true;
    if (this.#isStopped || this.#pumping !== null) return;
    this.#pumping = this.#pump().finally(() => {
      this.#pumping = null;
      if (this.#isWoken) this.wake();
    });
  }

  /** Brings live attempts back: after a restart, or when a paused request goes on. */
  bringBack(requestId: RequestId | null): readonly AttemptId[] {
    const { read } = this.#parts.store;
    const live = read.attempts.list({ state: LIVE_ATTEMPT_STATES, ...(requestId && { requestId }) });
    return live.filter((attempt) => this.#takeUp(attempt)).map(({ id }) => id);
  }

  /** @returns false if it has a run, is over, or may not run now */
  #takeUp({ id, state, requestId, agent, resumes }: Attempt): boolean {
    if (this.#runs.has(id) || !isAttemptLive(state) || !this.#mayRun(requestId, agent)) return false;
    this.#parts.store.commit((tx) =>
      tx.attempts.update(id, { resumes: resumes + 1 }, { actor: 'gantry', cause: 'brought back' }),
    );
    this.#start(id);
    return true;
  }

  #mayRun(requestId: RequestId, agent: AgentAddress): boolean {
    const { read } = this.#parts.store;
    const { state, projectId } = read.requests.need(requestId);
    const worker = read.agents.get(agent);
    const isHeld = worker?.state === 'stopped' || (worker?.lent ?? null) !== null;
    if (state !== 'running' || stopFor(read, projectId, agent) !== null || isHeld) return false;
    return settingsProblem(this.#parts.settingsFor, read.projects.need(projectId).path) === null;
  }

  /** Resolves when what is known now has been given out as far as it can be. */
  async passed(): Promise<void> {
    this.wake();
    while (this.#pumping !== null) await this.#pumping;
  }

  /** Tells runs to end and waits until nothing of them is left. What is cancelled while it rests has no run to do that. */
  async stopRuns(ids: readonly AttemptId[], reason: Stop): Promise<void> {
    const resting = ids.filter((id) => !this.#runs.has(id));
    const runs = ids.flatMap((id) => this.#runs.get(id) ?? []);
    for (const run of runs) run.stop(reason);
    await Promise.all(runs.map((run) => run.finished));
    if (reason.type !== 'cancel') return;
    for (const id of resting) {
      const { sessionId } = this.#parts.store.read.attempts.need(id);
      if (sessionId !== null) endSession(this.#parts, sessionId, reason.cause);
      this.#free(id, false);
    }
  }

  /** What can be is frozen; the rest ends and keeps its conversation, without waiting for what is being frozen. */
  async pauseRuns(ids: readonly AttemptId[], cause: string): Promise<void> {
    await Promise.all(
      ids.map(async (id) => {
        if (!(await this.#runs.get(id)?.freeze(cause))) await this.stopRuns([id], { type: 'park', cause });
      }),
    );
  }

  /** Runs of a paused request go on where they were frozen; those that ended may be brought back afterwards. */
  async thawRuns(requestId: RequestId, cause: string): Promise<void> {
    const { read } = this.#parts.store;
    const runs = [...this.#runs].filter(([id]) => read.attempts.need(id).requestId === requestId);
    await Promise.all(runs.map(([, run]) => run.thaw(cause)));
  }

  async close(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer?.();
    this.#cancelLook();
    this.#tools.memory.watch(false);
    await this.#pumping;
    await this.#tools.pool.close();
    await this.stopRuns([...this.#runs.keys()], { type: 'shutdown', cause: 'the daemon stops' });
  }

  /** What would start now, and why each other ready task waits. Reads only. */
  outlook(): Choice {
    const { read } = this.#parts.store;
    const requests = new Map(read.requests.list({ state: ['running', 'paused'] }).map((r) => [r.id, r]));
    const candidates = (tasks: readonly Task[]): Candidate[] =>
      tasks.flatMap((t) => candidate(t, requests.get(t.requestId)));
    const ready = read.tasks.list({ state: 'ready' }).filter((t) => requests.get(t.requestId)?.state === 'running');
    const active = read.tasks
      .list({ state: ['assigned', 'working', 'verifying'] })
      .filter((t) => requests.get(t.requestId)?.state === 'running' || (t.attemptId && this.#runs.has(t.attemptId)));
    const held = [...this.#runs.keys()]
      .map((id) => read.tasks.need(read.attempts.need(id).taskId))
      .filter((t) => !isTaskActive(t.state));
    const isHeld = new Set(held.map((t) => t.id));
    return choose(
      candidates(ready.filter((t) => !isHeld.has(t.id))),
      candidates([...active, ...held]),
      capacityFor(
        this.#parts,
        { memory: this.#tools.memory, isReady: (id) => this.#tools.standing.run(id)?.isReady ?? false },
        [...requests.values()],
        ready,
      ),
    );
  }

  async #pump(): Promise<void> {
    this.#isWoken = false;
    try {
      const settings = this.#settings();
      this.#goOn(tellUnread(this.#parts));
      this.#tools.standing.limitsChanged();
      const nextTask = promote(this.#parts);
      const nextMail = expireMail(this.#parts);
      const nextRaise = raiseEscalations(this.#parts);
      const nextQueued = expireQueued(this.#parts);
      const nextBackend = rerouteBlocked(this.#parts);
      await finishRequests(this.#parts, this.#tools.collector, (id) => this.#hasRun(id));
      const { start, waiting } = this.outlook();
      this.#tools.pool.isHeld = start.length > 0;
      for (const taskId of start) {
        const task = this.#parts.store.read.tasks.need(taskId);
        if (!this.#tools.pool.serves(task)) await this.#tools.pool.makeRoom(task);
        if (this.#isStopped) return;
        const attemptId = await claimOrStop(this.#parts, this.#tools, taskId);
        if (attemptId) this.#start(attemptId);
        // Left to a person or closed: what waited for it, and its request, may end by that.
        else this.wake();
      }
      this.#tools.pool.isHeld = false;
      this.#tools.pool.settle(waiting);
      this.#tools.memory.watch(this.#runs.size > 0);
      const nextLook = waiting.some(({ isPassing }) => isPassing) ? this.#parts.clock.now() + MEMORY_LOOK_MS : null;
      const isWaiting = waiting.length > 0 || this.#isUnread || this.#tools.pool.isUsed || this.#tools.standing.isHeld;
      this.#lookAtSettings(settings, isWaiting ? SETTINGS_LOOK_MS : IDLE_LOOK_MS);
      this.#wakeAt([nextTask, nextMail, nextRaise, nextQueued, nextBackend, nextLook]);
    } catch (error) {
      this.#parts.log.error({ err: error }, 'a dispatch pass failed; the next one starts from the ledger again');
      this.#wakeAt([this.#parts.clock.now() + AGAIN_MS]);
    }
  }

  /** What waits for settings that could not be read goes on when they can. */
  #goOn(isUnread: boolean): void {
    if (this.#isUnread) {
      this.bringBack(null);
      this.#tools.standing.bringBack();
    }
    this.#isUnread = isUnread;
  }

  #hasRun(requestId: RequestId): boolean {
    return [...this.#runs.keys()].some((id) => this.#parts.store.read.attempts.need(id).requestId === requestId);
  }

  #start(id: AttemptId): void {
    if (this.#isStopped) return;
    const attempt = this.#parts.store.read.attempts.need(id);
    // Stopped between its claim and now: it is brought back when the stop ends.
    if (!this.#mayRun(attempt.requestId, attempt.agent)) return;
    const run = new AttemptRun(this.#parts, this.#tools, attempt);
    this.#runs.set(id, run);
    void run.finished.then(() => {
      this.#runs.delete(id);
      this.#free(id, run.isParked);
      this.#tools.standing.bringBack();
      this.wake();
    });
  }

  /**
   * The agent of an attempt that is over may take another; one that was parked goes on if what it was parked for ended first.
   * Where that cannot be written down now, a little later.
   */
  #free(id: AttemptId, isParked: boolean): void {
    if (this.#isStopped) return;
    try {
      this.#setIdle(id);
      if (isParked) this.#takeUp(this.#parts.store.read.attempts.need(id));
    } catch (error) {
      this.#parts.log.error({ err: error, attempt: id }, 'what follows the end of a run could not be written down');
      this.#parts.clock.after(AGAIN_MS, () => {
        this.#free(id, isParked);
        this.wake();
      });
    }
  }

  #setIdle(id: AttemptId): void {
    this.#parts.store.commit((tx) => {
      const attempt = tx.attempts.need(id);
      const agent = tx.agents.get(attempt.agent);
      if (agent?.state !== 'working' || agent.attemptId !== id || !attempt.endedAt) return;
      tx.agents.move(
        agent.id,
        'working',
        // One of a delegated task is nobody else's.
        tx.requests.need(attempt.requestId).delegation ? 'stopped' : 'idle',
        { taskId: null, attemptId: null, sessionId: agent.standing?.sessionId ?? null },
        { actor: 'gantry' },
      );
    });
  }

  /** Of the daemon and every project, as they are now: the same objects as long as no file has changed. */
  #settings(): readonly Seen[] {
    const { store, settingsFor } = this.#parts;
    const projects = store.read.projects.list({ state: 'active' });
    return [settingsFor(null), ...projects.map(({ path }) => settingsOrCause(settingsFor, path))];
  }

  /** @param seen what the pass began with: a change during the pass is one that it may have missed */
  #lookAtSettings(seen: readonly Seen[], ms: number): void {
    this.#cancelLook();
    if (this.#isStopped) return;
    const isSame = (now: Seen, i: number): boolean => {
      const before = seen[i];
      return now === before || (before !== undefined && limitsIn(now) === limitsIn(before));
    };
    const look = (): void => {
      if (!this.#settings().every(isSame)) this.wake();
      else this.#cancelLook = this.#parts.clock.after(ms, look);
    };
    this.#cancelLook = this.#parts.clock.after(ms, look);
  }

  #wakeAt(times: readonly (number | null)[]): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    const due = times.filter((t) => t !== null);
    if (due.length === 0) return;
    this.#cancelTimer = this.#parts.clock.after(Math.min(...due) - this.#parts.clock.now(), () => this.wake());
  }
}
