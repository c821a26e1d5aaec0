import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import type { Agent } from '../../src/contract/agent.ts';
import { toAppError } from '../../src/contract/errors.ts';
import type { Project } from '../../src/contract/project.ts';
import type { Session } from '../../src/contract/session.ts';
import { NO_USAGE } from '../../src/contract/usage.ts';
import type { StoreFaults } from '../../src/store/connection.ts';
import { Store } from '../../src/store/store.ts';
import { START, sampleRequest } from './rows.ts';

/** A directory of one test, removed at its end. */
export async function temporaryHome(): Promise<{ readonly dir: string } & AsyncDisposable> {
  const dir = await mkdtemp(join(tmpdir(), 'gantry-store-'));
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

export const openStore = (dir: string, faults: StoreFaults = {}, clock = new ManualClock(START)): Store =>
  Store.open({ dir, clock, log: silentLog, faults });

/** A store in a directory of its own, with a clock that stands still. `reopen` opens it again; the caller closes that. */
export async function temporaryStore(faults: StoreFaults = {}) {
  const home = await temporaryHome();
  const clock = new ManualClock(START);
  const reopen = (): Store => openStore(home.dir, faults, clock);
  const store = reopen();
  const dispose = async (): Promise<void> => {
    await store.close();
    await home[Symbol.asyncDispose]();
  };
  return { store, dir: home.dir, clock, reopen, [Symbol.asyncDispose]: dispose };
}

export const sampleProject = (over: Partial<Project> = {}): Project => ({
  id: 'prj_000000001',
  name: 'demo',
  path: '/projects/demo',
  isTrusted: false,
  state: 'active',
  createdAt: START,
  updatedAt: START,
  ...over,
});

export const sampleSession = (n: number, over: Partial<Session> = {}): Session => ({
  id: `sess_00000000${n}`,
  backend: 'opencode',
  nativeId: null,
  purpose: 'attempt',
  attemptId: `att_00000000${n}`,
  agent: `demo/worker/w${n}`,
  directory: '/workspaces/w',
  host: 'local',
  model: null,
  state: 'starting',
  activity: 'unknown',
  cause: null,
  failure: null,
  usage: NO_USAGE,
  lastEventAt: START,
  createdAt: START,
  updatedAt: START,
  endedAt: null,
  ...over,
});

export const sampleAgent = (n: number, over: Partial<Agent> = {}): Agent => ({
  id: `demo/worker/w${n}`,
  projectId: 'prj_000000001',
  role: 'worker',
  name: `w${n}`,
  backend: 'opencode',
  model: null,
  state: 'idle',
  taskId: null,
  attemptId: null,
  sessionId: null,
  standing: null,
  lent: null,
  createdAt: START,
  updatedAt: START,
  ...over,
});

/** Inserts the project and the request that the sample tasks belong to. */
export function seed(store: Store): void {
  store.commit((tx) => {
    tx.projects.insert(sampleProject(), PERSON);
    tx.requests.insert(sampleRequest(), PERSON);
  });
}

export const PERSON = { actor: 'person' } as const;
export const GANTRY = { actor: 'gantry' } as const;

/** The code of the AppError that `fn` throws; fails if it throws nothing. */
export function codeOf(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    return toAppError(error).code;
  }
  throw new Error('nothing was thrown');
}
