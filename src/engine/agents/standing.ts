import type { Agent } from '../../contract/agent.ts';
import { AppError } from '../../contract/errors.ts';
import type { AgentAddress } from '../../contract/ids.ts';
import type { Approvals } from '../approvals/approvals.ts';
import type { Workspaces } from '../attempts/workspace.ts';
import type { Parts } from '../parts.ts';
import type { LiveSession } from '../sessions/session.ts';
import { settingsProblem } from '../settings.ts';
import { stopFor } from '../stops.ts';
import { StandingRun, type StandingStop } from './standing-run.ts';

/** After a run that broke. */
const AGAIN_MS = 5_000;

type Tools = { readonly approvals: Approvals; readonly workspaces: Workspaces };

/** The sessions of agents that have no task. An agent has one conversation at a time: for a task, this one makes way. */
export class StandingAgents {
  readonly #parts: Parts;
  readonly #tools: Tools;
  readonly #runs = new Map<AgentAddress, StandingRun>();
  #isClosed = false;
  /** Called when one has opened, or waits for room in a budget. */
  onChanged: () => void = () => undefined;

  constructor(parts: Parts, tools: Tools) {
    this.#parts = parts;
    this.#tools = tools;
  }

  run(id: AgentAddress): StandingRun | undefined {
    return this.#runs.get(id);
  }

  /** All that are to stand by and do not: after a restart, a task, an emergency stop. */
  bringBack(): readonly AgentAddress[] {
    const idle = this.#parts.store.read.agents.list({ state: 'idle' });
    return idle.filter((agent) => this.#mayRun(agent) && this.#run(agent, false) !== null).map(({ id }) => id);
  }

  /** The run of an agent that was just told to stand by; the one that it has, if there is one. */
  start(id: AgentAddress): StandingRun {
    const run = this.#runs.get(id) ?? this.#run(this.#parts.store.read.agents.need(id), true);
    if (!run) throw new AppError('cancelled', `${id} is not to stand by any more`);
    return run;
  }

  #mayRun({ id, projectId, lent }: Agent): boolean {
    const { store, settingsFor } = this.#parts;
    if (this.#runs.has(id) || lent !== null || stopFor(store.read, projectId, id) !== null) return false;
    return projectId === null || settingsProblem(settingsFor, store.read.projects.need(projectId).path) === null;
  }

  #run(agent: Agent, isFirst: boolean): StandingRun | null {
    const { standing } = agent;
    if (this.#isClosed || standing === null) return null;
    const run = new StandingRun(this.#parts, this.#tools, { ...agent, standing }, isFirst, () => this.onChanged());
    this.#runs.set(agent.id, run);
    run.finished
      .catch((error: unknown) => {
        // As on a full disk: what the ledger says holds, and is looked at again.
        this.#parts.log.error({ err: error, agent: agent.id }, 'an agent does not stand by any more');
        this.#parts.clock.after(AGAIN_MS, () => this.bringBack());
      })
      .finally(() => {
        this.#runs.delete(agent.id);
        // What it was parked for may have ended first.
        if (run.isParked) this.bringBack();
      });
    return run;
  }

  /** Messages were queued: whoever stands by looks whether they are for it. */
  mailCame(): void {
    for (const run of this.#runs.values()) run.mailCame();
  }

  /** Limits may have changed: whoever waits for room in a budget looks again. */
  limitsChanged(): void {
    for (const run of this.#runs.values()) if (run.isHeld) run.mailCame();
  }

  /** Whether one waits for room in a budget. */
  get isHeld(): boolean {
    return [...this.#runs.values()].some(({ isHeld }) => isHeld);
  }

  /** Resolves when nothing of their runs is left. */
  async end(ids: readonly AgentAddress[], reason: StandingStop): Promise<void> {
    const runs = ids.flatMap((id) => this.#runs.get(id) ?? []);
    for (const run of runs) run.stop(reason);
    // One that broke is looked after where it was started.
    await Promise.allSettled(runs.map((run) => run.finished));
  }

  /** Of one that was kept ready the open session, for whoever has taken its agent; null if it is not open. */
  async handOver(id: AgentAddress): Promise<LiveSession | null> {
    const run = this.#runs.get(id);
    if (!run) return null;
    await this.end([id], { type: 'hand-over', cause: 'it has a task' });
    return run.live;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.end([...this.#runs.keys()], { type: 'shutdown', cause: 'the daemon stops' });
  }
}
