import type { BackendId, ProjectId, RequestId, TaskId } from '../contract/ids.ts';

/** What the choice needs to know of a task. */
export type Candidate = {
  readonly id: TaskId;
  readonly requestId: RequestId;
  readonly projectId: ProjectId;
  readonly backend: BackendId;
  readonly priority: number;
  /** Age of the request, then the position in its plan, decide among equals. */
  readonly requestCreatedAt: number;
  readonly position: number;
  readonly createdAt: number;
  /** Paths relative to the project; a directory covers what is below it. */
  readonly files: readonly string[];
};

export type Capacity = {
  readonly maxParallel: number;
  readonly perRequest: ReadonlyMap<RequestId, number>;
  readonly perBackend: ReadonlyMap<BackendId, number>;
  /** Backends that cannot be used now, with the cause in words. */
  readonly unusable: ReadonlyMap<BackendId, string>;
};

export type Waiting = { readonly id: TaskId; readonly position: number; readonly reason: string };
export type Choice = { readonly start: readonly TaskId[]; readonly waiting: readonly Waiting[] };

const inOrder = (a: Candidate, b: Candidate): number =>
  a.priority - b.priority ||
  a.requestCreatedAt - b.requestCreatedAt ||
  a.position - b.position ||
  a.createdAt - b.createdAt ||
  (a.id < b.id ? -1 : 1);

/**
 * Which ready tasks start now, and why each other one waits. Pure: the same input gives the same choice.
 * Cost: ready × active file paths in the worst case, usually far less.
 */
export function choose(ready: readonly Candidate[], active: readonly Candidate[], capacity: Capacity): Choice {
  const running = new Tally(active);
  const start: TaskId[] = [];
  const waiting: Waiting[] = [];
  for (const task of [...ready].sort(inOrder)) {
    const reason = running.obstacle(task, capacity);
    if (reason === null) {
      running.add(task);
      start.push(task.id);
    } else {
      waiting.push({ id: task.id, position: waiting.length + 1, reason });
    }
  }
  return { start, waiting };
}

/** What runs: counts, and who claims which files. */
class Tally {
  #total = 0;
  readonly #requests = new Map<RequestId, number>();
  readonly #backends = new Map<BackendId, number>();
  readonly #claims = new Map<ProjectId, FileClaims>();

  constructor(active: readonly Candidate[]) {
    for (const task of active) this.add(task);
  }

  add(task: Candidate): void {
    this.#total += 1;
    this.#requests.set(task.requestId, (this.#requests.get(task.requestId) ?? 0) + 1);
    this.#backends.set(task.backend, (this.#backends.get(task.backend) ?? 0) + 1);
    const claims = this.#claims.get(task.projectId) ?? new FileClaims();
    this.#claims.set(task.projectId, claims);
    for (const file of task.files) claims.add(file, task.id);
  }

  obstacle(task: Candidate, capacity: Capacity): string | null {
    const unusable = capacity.unusable.get(task.backend);
    if (unusable !== undefined) return `backend ${task.backend} cannot be used: ${unusable}`;
    if (this.#total >= capacity.maxParallel) return `limit of ${capacity.maxParallel} attempts at once is reached`;
    const perRequest = capacity.perRequest.get(task.requestId);
    if (perRequest !== undefined && (this.#requests.get(task.requestId) ?? 0) >= perRequest) {
      return `limit of ${perRequest} at once for this request is reached`;
    }
    const perBackend = capacity.perBackend.get(task.backend);
    if (perBackend !== undefined && (this.#backends.get(task.backend) ?? 0) >= perBackend) {
      return `limit of ${perBackend} sessions of backend ${task.backend} is reached`;
    }
    return this.#claimed(task);
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
