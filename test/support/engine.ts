import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createBackends } from '../../src/backends/registry.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { within } from '../../src/base/wait.ts';
import type { BackendSettings } from '../../src/contract/config.ts';
import { DEFAULTS } from '../../src/contract/config.ts';
import { processBook } from '../../src/daemon/process-book.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { Settings } from '../../src/engine/settings.ts';
import { localHost } from '../../src/hosts/local.ts';
import { Store } from '../../src/store/store.ts';
import { environmentFor } from './temp.ts';

export type TestEngine = AsyncDisposable & {
  readonly engine: Engine;
  readonly store: Store;
  /** Asks `check` after every commit until it answers; fails after 30 s with `what`. */
  readonly until: <T>(what: string, check: () => T | null | undefined | false) => Promise<T>;
};

export type EngineOptions = {
  readonly home: string;
  readonly fake?: BackendSettings;
  readonly limits?: Partial<Settings['limits']>;
  readonly policy?: Settings['policy'];
};

/** A real engine on a real store with the fake backend, in this process. */
export async function startEngine(options: EngineOptions): Promise<TestEngine> {
  const { home } = options;
  const environment = environmentFor(home);
  const store = Store.open({ dir: join(home, 'gantry'), clock: systemClock, log: silentLog });
  const backendHome = join(home, 'gantry', 'fake');
  await mkdir(backendHome, { recursive: true });
  const settings: Settings = {
    defaultBackend: 'fake',
    defaultRole: 'worker',
    backends: { fake: { maxSessions: 50, model: null } },
    roles: DEFAULTS.roles,
    planner: { ...DEFAULTS.planner },
    policy: options.policy ?? { default: 'ask', rules: [] },
    limits: { ...DEFAULTS.limits, retryBackoff: 10, requestUsd: null, taskUsd: null, ...options.limits },
    setup: null,
  };
  const backends = createBackends(['fake'], (id) => ({
    id,
    settings: options.fake ?? {},
    host: localHost,
    clock: systemClock,
    log: silentLog,
    book: processBook(store, systemClock, localHost.id),
    environment,
    home: backendHome,
  }));
  const engine = new Engine({
    store,
    clock: systemClock,
    log: silentLog,
    host: localHost,
    backends,
    settingsFor: () => settings,
    askPlannerModel: null,
    environment,
    agentEnvironment: () => ({}),
    workspaces: join(home, 'gantry', 'workspaces'),
    random: () => 0,
  });
  await engine.start();
  return {
    engine,
    store,
    until: (what, check) => untilCommitted(store, what, check),
    [Symbol.asyncDispose]: async () => {
      await engine.close();
      await store.close();
    },
  };
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
    return await within(found, 30_000, () => new Error(`not seen within 30 s: ${what}`));
  } finally {
    forget();
  }
}
