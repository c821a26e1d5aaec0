import type { AgentAddress, BackendId, ProjectId, RequestId, TaskId } from '../../contract/ids.ts';

/** What the choice needs to know of a task. */
export type Candidate = {
  readonly id: TaskId;
  readonly requestId: RequestId;
  readonly projectId: ProjectId;
  readonly backend: BackendId;
  readonly role: string;
  /** The one agent that may do it; null: any. */
  readonly target: AgentAddress | null;
  readonly priority: number;
  /** Age of the request, then the position in its plan, decide among equals. */
  readonly requestCreatedAt: number;
  readonly position: number;
  readonly createdAt: number;
  /** Paths relative to the project; a directory covers what is below it. */
  readonly files: readonly string[];
  /** What a session must have been made for to serve it. */
  readonly kind?: string;
};

export type Capacity = {
  readonly maxParallel: number;
  readonly perRequest: ReadonlyMap<RequestId, number>;
  readonly perBackend: ReadonlyMap<BackendId, number>;
  /** Sessions of agents that have no task, by backend. */
  readonly standing?: ReadonlyMap<BackendId, number>;
  readonly perProject: ReadonlyMap<ProjectId, number>;
  /** By `roleKey`: a role's limit is its project's. */
  readonly perRole: ReadonlyMap<string, number>;
  /** Backends that cannot be used now, with the cause in words. */
  readonly unusable: ReadonlyMap<BackendId, string>;
  /** Projects in which nothing may start, with the cause. */
  readonly stopped: ReadonlyMap<ProjectId, string>;
  /** Agents that cannot take a task, with the cause. */
  readonly busy: ReadonlyMap<AgentAddress, string>;
  /** Tasks that may not spend more, with the cause. */
  readonly overBudget: ReadonlyMap<TaskId, string>;
  /** How many sessions stand ready, by kind: the first tasks of that kind need no further one. */
  readonly warm?: ReadonlyMap<string, number>;
  readonly memory: {
    /** Bytes that new sessions may take; infinite where nothing limits them. */
    readonly left: number;
    /** What one more session takes, and how that is known. */
    readonly expected: ReadonlyMap<BackendId, { readonly bytes: number; readonly text: string }>;
    /** Why no more are left. */
    readonly text: string;
  };
};

export type Waiting = {
  readonly id: TaskId;
  readonly position: number;
  readonly reason: string;
  /** It may end without anybody telling: memory, or a budget of the day. */
  readonly isPassing: boolean;
  /** There would be a place, but not the memory. */
  readonly isMemory: boolean;
};
export type Choice = { readonly start: readonly TaskId[]; readonly waiting: readonly Waiting[] };

export const roleKey = (projectId: ProjectId, role: string): string => `${projectId} ${role}`;

/** Above every time in milliseconds until the year 2500, and small enough for whole numbers. */
const PRIORITY_STEP = 2 ** 44;

const inGroup = (a: Candidate, b: Candidate): number =>
  a.position - b.position || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1);

/** By priority, then age of the request, then place in its plan: requests are few, so few groups are sorted. */
function inOrder(tasks: readonly Candidate[]): Candidate[] {
  const groups = Map.groupBy(tasks, (task) => task.priority * PRIORITY_STEP + task.requestCreatedAt);
  const keys = Float64Array.from(groups.keys()).sort();
  return [...keys].flatMap((key) => (groups.get(key) ?? []).sort(inGroup));
}

/**
 * Which ready tasks start now, and why each other one waits. Pure: the same input gives the same choice.
 * Cost: ready × active file paths in the worst case, usually far less.
 */
export function choose(ready: readonly Candidate[], active: readonly Candidate[], capacity: Capacity): Choice {
  const running = new Tally(active, capacity);
  const start: TaskId[] = [];
  const waiting: Waiting[] = [];
  for (const task of inOrder(ready)) {
    const reason = running.obstacle(task);
    if (reason === null) {
      running.start(task);
      start.push(task.id);
    } else {
      const isMemory = reason === running.memoryText(task);
      const isPassing = isMemory || capacity.overBudget.has(task.id);
      waiting.push({ id: task.id, position: waiting.length + 1, reason, isPassing, isMemory });
    }
  }
  return { start, waiting };
}

/** What runs: counts, and who claims which files. */
class Tally {
  readonly #capacity: Capacity;
  readonly #fullText: string;
  readonly #memoryTexts = new Map<BackendId, string>();
  readonly #warm: Map<string, number>;
  #memoryLeft: number;
  #total = 0;
  readonly #requests = new Map<string, number>();
  readonly #backends = new Map<string, number>();
  readonly #projects = new Map<string, number>();
  readonly #roles = new Map<string, number>();
  readonly #targets = new Map<AgentAddress, TaskId>();
  readonly #claims = new Map<ProjectId, FileClaims>();

  constructor(active: readonly Candidate[], capacity: Capacity) {
    this.#capacity = capacity;
    for (const task of active) this.add(task);
    for (const [backend, sessions] of capacity.standing ?? []) count(this.#backends, backend, sessions);
    this.#memoryLeft = capacity.memory.left;
    this.#warm = new Map(capacity.warm);
    this.#fullText = `limit of ${capacity.maxParallel} attempts at once is reached`;
  }

  /** It takes a session that stands ready, or the memory for one of its own. */
  start(task: Candidate): void {
    this.add(task);
    const ready = this.#ready(task);
    if (ready > 0 && task.kind !== undefined) this.#warm.set(task.kind, ready - 1);
    else this.#memoryLeft -= this.#capacity.memory.expected.get(task.backend)?.bytes ?? 0;
  }

  #ready({ kind }: Candidate): number {
    return kind === undefined ? 0 : (this.#warm.get(kind) ?? 0);
  }

  memoryText({ backend }: Candidate): string {
    const known = this.#memoryTexts.get(backend);
    if (known !== undefined) return known;
    const { text, expected } = this.#capacity.memory;
    const made = [text, expected.get(backend)?.text].filter((part) => part !== undefined).join('; ');
    this.#memoryTexts.set(backend, made);
    return made;
  }

  add(task: Candidate): void {
    this.#total += 1;
    count(this.#requests, task.requestId);
    count(this.#backends, task.backend);
    count(this.#projects, task.projectId);
    count(this.#roles, roleKey(task.projectId, task.role));
    if (task.target !== null) this.#targets.set(task.target, task.id);
    const claims = this.#claims.get(task.projectId) ?? new FileClaims();
    this.#claims.set(task.projectId, claims);
    for (const file of task.files) claims.add(file, task.id);
  }

  obstacle(task: Candidate): string | null {
    return this.#forbidden(task) ?? this.#full(task) ?? this.#claimed(task);
  }

  /** What no free place would change. */
  #forbidden({ id, projectId, backend, target }: Candidate): string | null {
    const { stopped, unusable, busy, overBudget } = this.#capacity;
    const cause = stopped.get(projectId) ?? overBudget.get(id);
    if (cause !== undefined) return cause;
    const broken = unusable.get(backend);
    if (broken !== undefined) return `backend ${backend} cannot be used: ${broken}`;
    if (target === null) return null;
    const holder = this.#targets.get(target);
    return holder === undefined ? (busy.get(target) ?? null) : `${target} has ${holder}`;
  }

  #full(task: Candidate): string | null {
    const { maxParallel, perRequest, perBackend, perProject, perRole, memory } = this.#capacity;
    if (this.#total >= maxParallel) return this.#fullText;
    const request = limitOf(perRequest, this.#requests, task.requestId);
    if (request !== null) return `limit of ${request} at once for this request is reached`;
    const backend = limitOf(perBackend, this.#backends, task.backend);
    if (backend !== null) return `limit of ${backend} sessions of backend ${task.backend} is reached`;
    const project = limitOf(perProject, this.#projects, task.projectId);
    if (project !== null) return `limit of ${project} at once for this project is reached`;
    const role = limitOf(perRole, this.#roles, roleKey(task.projectId, task.role));
    if (role !== null) return `limit of ${role} sessions of role ${task.role} is reached`;
    const needed = memory.expected.get(task.backend)?.bytes ?? 0;
    return this.#memoryLeft < needed && this.#ready(task) === 0 ? this.memoryText(task) : null;
  }

  #claimed(task: Candidate): string | null {
    const claims = this.#claims.get(task.projectId);
    for (const file of task.files) {
      const holder = claims?.holder(file);
      if (holder !== undefined) return `${file} is being changed by ${holder}`;
    }
    return null;
  }
}

const count = (counts: Map<string, number>, key: string, by = 1): unknown =>
  counts.set(key, (counts.get(key) ?? 0) + by);

/** The limit, if it is reached. */
function limitOf(limits: ReadonlyMap<string, number>, counts: ReadonlyMap<string, number>, key: string): number | null {
  const limit = limits.get(key);
  return limit !== undefined && (counts.get(key) ?? 0) >= limit ? limit : null;
}

/** Which task claims a path. A claimed directory covers what is below it; a look-up costs the depth of the path. */
class FileClaims {
  readonly #exact = new Map<string, TaskId>();
  /** Every directory above a claimed path. */
  readonly #above = new Map<string, TaskId>();

  add(path: string, task: TaskId): void {
    const key = keyOf(path);
    this.#exact.set(key, task);
    for (const parent of parentsOf(key)) this.#above.set(parent, task);
  }

  holder(path: string): TaskId | undefined {
    const key = keyOf(path);
    const own = this.#exact.get(key) ?? this.#above.get(key);
    if (own !== undefined) return own;
    for (const parent of parentsOf(key)) {
      const above = this.#exact.get(parent);
      if (above !== undefined) return above;
    }
    return undefined;
  }
}

const keyOf = (path: string): string => path.replace(/^\.\//, '').replace(/\/+$/, '');

function* parentsOf(key: string): Generator<string> {
  for (let slash = key.lastIndexOf('/'); slash > 0; slash = key.lastIndexOf('/', slash - 1)) yield key.slice(0, slash);
}
