import { newId } from '../../base/ids.ts';
import type { AgentAddress, BackendId, ProjectId } from '../../contract/ids.ts';
import type { Project } from '../../contract/project.ts';
import type { Task } from '../../contract/task.ts';
import type { Git } from '../../git/git.ts';
import { needCommit } from '../../git/refs.ts';
import { closeAlert } from '../alerts.ts';
import type { Workspaces } from '../attempts/workspace.ts';
import type { Parts } from '../parts.ts';
import { blockedNow } from '../scheduling/breaker.ts';
import { freeAddress } from '../scheduling/claim.ts';
import { isolationOf } from '../scheduling/isolation.ts';
import type { MemoryUse } from '../scheduling/memory-use.ts';
import { type Placement, placementOf } from '../scheduling/roles.ts';
import type { Waiting } from '../scheduling/scheduler.ts';
import { freshSession } from '../sessions/session-row.ts';
import { settingsOrCause } from '../settings.ts';
import { stopFor } from '../stops.ts';
import type { StandingAgents } from './standing.ts';
import { readyFor, type WarmAgent, warmAgents, warmKey } from './warm-fit.ts';

type Tools = {
  readonly git: Git;
  readonly standing: StandingAgents;
  readonly workspaces: Workspaces;
  readonly memory: MemoryUse;
};
/** What the settings of a project want to have ready. */
type Wanted = {
  readonly project: Project;
  readonly role: string;
  readonly placement: Placement;
  readonly key: string;
  readonly count: number;
};
/** Who needs a place. */
type Need = { readonly backend: BackendId; readonly projectId: ProjectId | null; readonly role: string };

/** States of a session that takes a place. */
const LIVE = ['starting', 'running', 'paused', 'lost'] as const;

/**
 * Agents that stand ready for tasks that do not exist yet (`roles.<name>.warm`). They are standing agents that no message
 * wakes. They take no place from work: where a limit or the memory is reached, they go first.
 */
export class WarmPool {
  readonly #parts: Parts;
  readonly #tools: Tools;
  #settling: Promise<void> = Promise.resolve();
  #isSettling = false;
  #isClosed = false;
  /** Work is being given out: what it makes room for is not taken meanwhile. */
  isHeld = false;
  #isSwept = false;
  #isDue = false;
  /** A task waits for memory. */
  #isShort = false;
  /** Called when agents came or went. */
  onChanged: () => void = () => undefined;

  constructor(parts: Parts, tools: Tools) {
    this.#parts = parts;
    this.#tools = tools;
  }

  /** Whether anything is wanted or there: then changes of the settings are looked for. */
  get isUsed(): boolean {
    return this.#wanted().length > 0 || warmAgents(this.#parts.store.read).length > 0;
  }

  /** Brings what stands ready in line with the settings and the queue; nobody waits for it. */
  settle(waiting: readonly Waiting[]): void {
    this.#isShort = waiting.some(({ isMemory }) => isMemory);
    this.#isDue = true;
    if (!this.#isSettling) this.#settling = this.#settle();
  }

  async #settle(): Promise<void> {
    this.#isSettling = true;
    while (this.#isDue && !this.#isClosed) {
      this.#isDue = false;
      try {
        if (await this.#step()) this.onChanged();
      } catch (error) {
        this.#parts.log.warn({ err: error }, 'agents that are to stand ready could not be looked after');
      }
    }
    // In the same turn as the last look: nothing is missed in between.
    this.#isSettling = false;
  }

  /** What stands ready is left to the next daemon. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#settling;
  }

  /** All that do not belong go, and one is begun while no other is on its way. @returns whether anything was done */
  async #step(): Promise<boolean> {
    const { read } = this.#parts.store;
    const wanted = this.#wanted();
    const before = warmAgents(read).length;
    if (wanted.length === 0 && before === 0) return false;
    await this.#sweep();
    const missing = await this.#trim(wanted, warmAgents(read));
    const there = warmAgents(read);
    const [first] = there;
    if (this.#isShort && first) {
      await this.#letGo(first, 'its memory is needed for a task');
      return true;
    }
    const isBusy = there.some(({ id }) => this.#tools.standing.run(id)?.isOpening);
    const isBegun = !this.#isShort && !isBusy && (await this.#beginOne(missing));
    return isBegun || there.length < before;
  }

  /** The first that can be: a project whose repository is gone keeps no other from it. */
  async #beginOne(missing: readonly Wanted[]): Promise<boolean> {
    for (const one of missing.filter((each) => this.#hasRoom(each))) {
      try {
        await this.#begin(one);
        return true;
      } catch (error) {
        this.#parts.log.warn({ err: error, project: one.project.name }, 'no agent can be kept ready');
      }
    }
    return false;
  }

  async #sweep(): Promise<void> {
    if (this.#isSwept) return;
    this.#isSwept = true;
    for (const project of this.#parts.store.read.projects.list({ state: 'active' }))
      await this.#tools.workspaces.dropStray(project);
  }

  /** Before a session is opened for a task that no warm one serves, or for a person: those that are in its way go. */
  async makeRoom(need: Need): Promise<void> {
    for (let one = this.#inTheWayOf(need); one !== null; one = this.#inTheWayOf(need))
      await this.#letGo(one, 'it makes way for work');
  }

  /** Whether the task will be given to a warm agent. */
  serves(task: Task): boolean {
    const project = this.#parts.store.read.projects.need(task.projectId);
    return readyFor(this.#parts, ({ id }) => this.#tools.standing.run(id)?.isReady ?? false, project, task) !== null;
  }

  #wanted(): Wanted[] {
    const projects = this.#parts.store.read.projects.list({ state: 'active' });
    return projects.flatMap((project) => {
      const settings = settingsOrCause(this.#parts.settingsFor, project.path);
      if (typeof settings === 'string') return [];
      return Object.entries(settings.roles).flatMap(([role, { warm = 0, instances = 'many' }]) => {
        // The one agent of a role has a name, and is started by it.
        if (warm === 0 || instances !== 'many') return [];
        const placement = placementOf(settings, role, {});
        const isolation = isolationOf(settings, role, null);
        const key = warmKey(settings, project, role, { ...placement, isolation });
        return [{ project, role, placement, key, count: warm }];
      });
    });
  }

  /** Lets go of what does not belong. @returns what is missing, one entry for each role of a project */
  async #trim(wanted: readonly Wanted[], there: readonly WarmAgent[]): Promise<Wanted[]> {
    const has = new Map(wanted.map((one) => [one, 0]));
    // What is ready is kept before what is not.
    const inOrder = [...there].sort((a, b) => Number(this.#isReady(b)) - Number(this.#isReady(a)));
    for (const agent of inOrder) {
      const { projectId, role, standing } = agent;
      const place = wanted.find(
        (one) => one.project.id === projectId && one.role === role && one.key === standing.warm.key,
      );
      const count = place === undefined ? 0 : (has.get(place) ?? 0);
      if (place && count < place.count) has.set(place, count + 1);
      else await this.#letGo(agent, place ? 'fewer are to be kept ready' : 'its role has changed');
    }
    return wanted.filter((one) => (has.get(one) ?? 0) < one.count);
  }

  #isReady({ id }: WarmAgent): boolean {
    return this.#tools.standing.run(id)?.isReady ?? false;
  }

  #hasRoom({ project, role, placement: { backend } }: Wanted): boolean {
    const { store } = this.#parts;
    if (stopFor(store.read, project.id) !== null || blockedNow(this.#parts, store.read).has(backend)) return false;
    const { left, expected } = this.#tools.memory.now();
    if (left < (expected.get(backend)?.bytes ?? 0)) return false;
    const { backendFree, roleFree } = this.#free({ backend, projectId: project.id, role });
    return backendFree > 0 && roleFree > 0;
  }

  #inTheWayOf(need: Need): WarmAgent | null {
    const warm = warmAgents(this.#parts.store.read);
    const { backendFree, roleFree } = this.#free(need);
    if (backendFree <= 0) return warm.find(({ backend }) => backend === need.backend) ?? null;
    if (roleFree > 0) return null;
    return warm.find(({ projectId, role }) => projectId === need.projectId && role === need.role) ?? null;
  }

  /** How many more sessions the backend and the role may have. */
  #free({ backend, projectId, role }: Need): { readonly backendFree: number; readonly roleFree: number } {
    const { read } = this.#parts.store;
    const project = projectId === null ? null : read.projects.need(projectId);
    const { backends, roles } = this.#parts.settingsFor(project?.path ?? null);
    const most = backends[backend]?.maxSessions ?? Number.POSITIVE_INFINITY;
    const mostOfRole = roles[role]?.maxSessions ?? Number.POSITIVE_INFINITY;
    const ofRole = read.agents.list({}).filter((a) => a.projectId === projectId && a.role === role);
    const coming = read.attempts
      .list({ state: 'starting' })
      .filter((a) => a.backend === backend && !a.sessionId).length;
    return {
      backendFree: most - coming - read.sessions.count({ backend, state: [...LIVE] }),
      roleFree: mostOfRole - ofRole.filter((a) => a.state === 'working' || a.standing !== null).length,
    };
  }

  /** Written down whole before anything is made, as every start is. */
  async #begin({ project, role, placement, key }: Wanted): Promise<void> {
    const { store, clock } = this.#parts;
    const { backend, model } = placement;
    const baseCommit = await needCommit(this.#tools.git, project.path, 'HEAD');
    if (this.isHeld || this.#isClosed) return;
    const id = this.#freshAddress(project, role);
    const known = store.read.agents.get(id);
    const place = { backend, model, nativeId: null, attemptId: null, purpose: 'standing', agent: id } as const;
    const made = freshSession(this.#parts, { ...place, directory: '' });
    const where = this.#tools.workspaces.warmPlace(project, made.id);
    const standing = {
      ...where,
      sessionId: made.id,
      baseCommit,
      prompts: [],
      forkOf: null,
      note: null,
      warm: { key, attemptId: newId('att', clock.now()) },
    };
    const meta = { actor: 'gantry', cause: 'kept ready', subject: { projectId: project.id, agent: id } };
    const has = { standing, backend, model, sessionId: made.id, taskId: null, attemptId: null };
    store.commit((tx) => {
      tx.sessions.insert({ ...made, directory: where.workspace }, meta);
      if (known) tx.agents.update(id, has, meta);
      else {
        const { createdAt, updatedAt } = made;
        const name = id.slice(id.lastIndexOf('/') + 1);
        tx.agents.insert(
          { id, projectId: project.id, role, name, state: 'idle', lent: null, ...has, createdAt, updatedAt },
          meta,
        );
      }
    });
    this.#tools.standing.bringBack();
  }

  /** One that nobody has, and that no task will go on with. */
  #freshAddress(project: Project, role: string): AgentAddress {
    const { agents, tasks } = this.#parts.store.read;
    const states = ['blocked', 'ready', 'deferred', 'waiting'] as const;
    const later = new Set(tasks.list({ state: [...states] }).flatMap((task) => [task.agent, task.target]));
    return freeAddress(project, role, (address) => {
      const known = agents.get(address);
      return !later.has(address) && (known === null || (known.state === 'idle' && known.standing === null));
    });
  }

  async #letGo({ id, projectId, standing }: WarmAgent, cause: string): Promise<void> {
    const { store } = this.#parts;
    const isHeld = store.commit((tx) => {
      const now = tx.agents.need(id);
      if (now.state !== 'idle' || now.standing?.warm?.attemptId !== standing.warm.attemptId) return false;
      tx.agents.update(id, { standing: null, sessionId: null }, { actor: 'gantry', cause });
      closeAlert(tx, `standing:${id}`, cause, { agent: id });
      return true;
    });
    if (!isHeld) return;
    await this.#tools.standing.end([id], { type: 'stop', cause });
    const project = store.read.projects.need(projectId);
    await this.#tools.workspaces.drop(project, standing).catch((error: unknown) => {
      this.#parts.log.warn({ err: error, workspace: standing.workspace }, 'a workspace that stood ready is left');
    });
  }
}
