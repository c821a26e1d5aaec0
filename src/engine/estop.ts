import type { EmergencyStop } from '../contract/agent-operations.ts';
import type { OutputOf, ParsedInputOf } from '../contract/api.ts';
import { LIVE_ATTEMPT_STATES } from '../contract/attempt.ts';
import type { Caller } from '../contract/caller.ts';
import type { ProjectId } from '../contract/ids.ts';
import type { Transaction } from '../store/store.ts';
import { needAgent } from './agents/addresses.ts';
import type { StandingAgents } from './agents/standing.ts';
import { closeAlert, openAlert } from './alerts.ts';
import type { Parts } from './parts.ts';
import type { Planning } from './planning/planning.ts';
import { needProject } from './projects.ts';
import type { Dispatcher } from './scheduling/dispatch.ts';
import type { Execs } from './sessions/exec.ts';
import { emergencyStops, stopText, writeStops } from './stops.ts';

type Stopped = OutputOf<'estop'>;
type Tools = {
  readonly dispatcher: Dispatcher;
  readonly planning: Planning;
  readonly standing: StandingAgents;
  readonly execs: Execs;
};

/** The mark is durable before anything is stopped: no restart forgets it. */
export class EmergencyStops {
  readonly #parts: Parts;
  readonly #tools: Tools;

  constructor(parts: Parts, tools: Tools) {
    this.#parts = parts;
    this.#tools = tools;
  }

  async stop(input: ParsedInputOf<'estop'>, caller: Caller): Promise<Stopped> {
    const { store, clock } = this.#parts;
    const project = input.project === undefined ? null : needProject(this.#parts, input.project).id;
    const held = emergencyStops(store.read).find((s) => s.project === null || s.project === project);
    if (held) return { isChanged: false, stops: [...emergencyStops(store.read)] };
    const keep = input.keep.map((given) => needAgent(store.read, given).id);
    const stop: EmergencyStop = { project, reason: input.reason, by: caller.actor, at: clock.now(), keep };
    store.commit((tx) => {
      writeStops(tx, [...emergencyStops(tx), stop]);
      openAlert(tx, alertKey(project), stopText(stop), { projectId: project });
    });
    await this.#end(stop);
    return { isChanged: true, stops: [...emergencyStops(store.read)] };
  }

  async #end(stop: EmergencyStop): Promise<void> {
    const { read } = this.#parts.store;
    const inScope = ({ projectId }: { readonly projectId: ProjectId | null }): boolean =>
      stop.project === null || stop.project === projectId;
    const attempts = read.attempts
      .list({ state: LIVE_ATTEMPT_STATES })
      .filter((a) => inScope(read.requests.need(a.requestId)) && !stop.keep.includes(a.agent));
    const standing = read.agents.list({}).filter((a) => inScope(a) && !stop.keep.includes(a.id));
    const planning = read.requests.list({ state: 'planning' }).filter(inScope);
    await Promise.all([
      this.#tools.dispatcher.stopRuns(
        attempts.map(({ id }) => id),
        { type: 'park', cause: stopText(stop) },
      ),
      this.#tools.standing.end(
        standing.map(({ id }) => id),
        { type: 'park', cause: stopText(stop) },
      ),
      this.#tools.execs.stop(stop.project, stopText(stop)),
      ...planning.map(({ id }) => this.#tools.planning.stop(id, 'cancelled')),
    ]);
  }

  /** The same attempts go on; the time of the stop does not count against their limits. */
  thaw(input: ParsedInputOf<'thaw'>, caller: Caller): Stopped {
    const { store, clock } = this.#parts;
    const project = input.project === undefined ? null : needProject(this.#parts, input.project).id;
    const ended = emergencyStops(store.read).filter((s) => input.project === undefined || s.project === project);
    if (ended.length === 0) return { isChanged: false, stops: [...emergencyStops(store.read)] };
    store.commit((tx) => {
      for (const stop of ended) {
        extendDeadlines(tx, stop, clock.now());
        closeAlert(tx, alertKey(stop.project), `ended by ${caller.actor}`, { projectId: stop.project });
      }
      writeStops(
        tx,
        emergencyStops(tx).filter((s) => !ended.some((e) => e.project === s.project)),
      );
    });
    for (const { id } of store.read.requests.list({ state: 'planning' })) this.#tools.planning.start(id);
    this.#tools.dispatcher.bringBack(null);
    this.#tools.standing.bringBack();
    this.#tools.dispatcher.wake();
    return { isChanged: true, stops: [...emergencyStops(store.read)] };
  }
}

const alertKey = (project: ProjectId | null): string => `estop:${project ?? 'all'}`;

function extendDeadlines(tx: Transaction, stop: EmergencyStop, now: number): void {
  const meta = { actor: 'gantry', cause: 'the clock stood still during the emergency stop' };
  for (const attempt of tx.attempts.list({ state: LIVE_ATTEMPT_STATES })) {
    const { projectId } = tx.requests.need(attempt.requestId);
    if ((stop.project !== null && stop.project !== projectId) || stop.keep.includes(attempt.agent)) continue;
    const add = now - Math.max(stop.at, attempt.createdAt);
    tx.attempts.update(
      attempt.id,
      { deadlineAt: attempt.deadlineAt + add, leaseUntil: attempt.leaseUntil + add },
      meta,
    );
    const task = tx.tasks.need(attempt.taskId);
    tx.tasks.update(task.id, { cause: `an emergency stop ended: ${stop.reason}` }, meta);
  }
}
