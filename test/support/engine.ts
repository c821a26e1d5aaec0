import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createBackends } from '../../src/backends/registry.ts';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { within } from '../../src/base/wait.ts';
import type { BackendSettings } from '../../src/contract/config.ts';
import { DEFAULTS } from '../../src/contract/config-defaults.ts';
import { processBook } from '../../src/daemon/process-book.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { Parts } from '../../src/engine/parts.ts';
import type { Settings } from '../../src/engine/settings.ts';
import { localHost } from '../../src/hosts/local.ts';
import type { StoreFaults } from '../../src/store/connection.ts';
import { Store } from '../../src/store/store.ts';
import { COMPILE_CACHE, environmentFor } from './temp.ts';

export type AgentLogLine = {
  readonly kind: string;
  readonly promptId?: string;
  readonly text?: string;
  readonly session?: string;
  readonly pid?: number;
  readonly messages?: readonly { readonly text: string }[];
};

export type TestEngine = AsyncDisposable & {
  readonly engine: Engine;
  readonly store: Store;
  /** Asks `check` after every commit until it answers; fails after 30 s with `what`. */
  readonly until: <T>(what: string, check: () => T | null | undefined | false) => Promise<T>;
  /** Lets the fake agents pass a `hold` of that name. */
  readonly release: (name: string) => Promise<void>;
  /** Closes engine and store in order and opens them again on the same home. */
  readonly restart: (whileDown?: () => void) => Promise<void>;
  /** What the fake agents wrote down. */
  readonly agentLog: () => Promise<readonly AgentLogLine[]>;
};

export type EngineOptions = {
  readonly home: string;
  readonly fake?: BackendSettings;
  readonly limits?: Partial<Settings['limits']>;
  readonly policy?: Settings['policy'];
  readonly merge?: Partial<Settings['merge']>;
  readonly roles?: Settings['roles'];
  readonly budgets?: Settings['budgets'];
  readonly prices?: Settings['prices'];
  /** A second backend of the same kind, by the name `fake-two`. */
  readonly second?: BackendSettings;
  /** Of the backend `fake`; default 50. */
  readonly maxSessions?: number;
  /** Bytes that new programs could use; without it nothing is known. */
  readonly freeMemory?: () => number;
  readonly faults?: StoreFaults;
  readonly clock?: Clock;
  /** In place of the engine's own, as if Gantry had a bug there. */
  readonly broken?: Partial<Pick<Parts, 'agentEnvironment' | 'hostFor' | 'log' | 'random'>>;
};

/** A real engine on a real store with the fake backend, in this process. */
export async function startEngine(options: EngineOptions): Promise<TestEngine> {
  const control = join(options.home, 'control');
  const log = join(options.home, 'agent.log');
  await mkdir(control, { recursive: true });
  for (const id of ['fake', 'fake-two']) await mkdir(join(options.home, 'gantry', id), { recursive: true });
  const open = (): Promise<{ engine: Engine; store: Store }> =>
    openEngine(options, { ...COMPILE_CACHE, GANTRY_FAKE_CONTROL: control, GANTRY_FAKE_LOG: log });
  const close = async (): Promise<void> => {
    await current.engine.close();
    await current.store.close();
  };
  let current = await open();
  return {
    get engine() {
      return current.engine;
    },
    get store() {
      return current.store;
    },
    until: (what, check) => untilCommitted(current.store, what, check),
    release: (name) => writeFile(join(control, name), ''),
    restart: async (whileDown) => {
      await close();
      whileDown?.();
      current = await open();
    },
    agentLog: async () => {
      const lines = (await readFile(log, 'utf8')).trim().split('\n');
      return lines.map((line) => JSON.parse(line) as AgentLogLine);
    },
    [Symbol.asyncDispose]: close,
  };
}

/** What holds without any configuration, with the `fake` backend. */
export const testSettings = ({
  limits,
  policy,
  merge,
  roles,
  budgets,
  prices,
  maxSessions = 50,
}: Omit<EngineOptions, 'home'> = {}): Settings => ({
  defaultBackend: 'fake',
  defaultRole: 'worker',
  backends: { fake: { maxSessions, model: null }, 'fake-two': { maxSessions: 50, model: null } },
  roles: { ...DEFAULTS.roles, ...roles },
  budgets: budgets ?? {},
  prices: prices ?? null,
  planner: { ...DEFAULTS.planner },
  policy: policy ?? { default: 'ask', rules: [] },
  merge: { ...DEFAULTS.merge, target: null, remote: null, gates: [], reviewRole: null, reviewers: null, ...merge },
  limits: { ...DEFAULTS.limits, retryBackoff: 10, requestUsd: null, taskUsd: null, ...limits },
  delegation: DEFAULTS.delegation,
  isolation: 'process',
  setup: null,
});

async function openEngine(
  {
    home,
    fake,
    second,
    freeMemory = () => null,
    faults,
    clock = systemClock,
    broken,
    ...configured
  }: Omit<EngineOptions, 'freeMemory'> & {
    readonly freeMemory?: () => number | null;
  },
  env: Readonly<Record<string, string>>,
): Promise<{ engine: Engine; store: Store }> {
  const environment = environmentFor(home);
  const store = Store.open({
    dir: join(home, 'gantry'),
    clock,
    log: silentLog,
    ...(faults && { faults }),
  });
  const settings = testSettings(configured);
  const own = { fake, ...(second && { 'fake-two': second }) };
  const backends = createBackends(Object.keys(own), (id) => ({
    id,
    settings: { ...own[id as keyof typeof own], env: { ...env, ...own[id as keyof typeof own]?.env } },
    host: localHost,
    clock,
    log: silentLog,
    book: processBook(store, clock, localHost.id),
    environment,
    home: join(home, 'gantry', id),
  }));
  const engine = new Engine({
    store,
    clock,
    log: silentLog,
    host: localHost,
    hostFor: async () => localHost,
    backends,
    settingsFor: () => settings,
    askPlannerModel: null,
    gitEnvironment: environment,
    environment,
    agentEnvironment: () => ({}),
    workspaces: join(home, 'gantry', 'workspaces'),
    freeMemory,
    random: () => 0,
    ...broken,
  });
  await engine.start();
  return { engine, store };
}

async function untilCommitted<T>(store: Store, what: string, check: () => T | null | undefined | false): Promise<T> {
  let forget = (): void => undefined;
  const found = new Promise<T>((resolve) => {
    const look = (): void => {
      const answer = check();
      if (answer) resolve(answer);
    };
    forget = store.onCommit(look);
    look();
  });
  try {
    return await within(found, 60_000, () => new Error(`not seen within 60 s: ${what}\n${lastFacts(store)}`));
  } finally {
    forget();
  }
}

/** The newest facts in a line each: what a failed wait shows. */
function lastFacts(store: Store): string {
  return store.journal
    .recent(25, {})
    .map((f) => {
      const data = 'row' in f.data ? `${f.data.from} → ${f.data.to} ${f.data.cause ?? ''}` : JSON.stringify(f.data);
      return `${f.seq} ${f.kind} ${data.slice(0, 160)}`;
    })
    .join('\n');
}
