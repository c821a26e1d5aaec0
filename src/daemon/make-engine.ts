import { join } from 'node:path';
import type { Backend } from '../backends/backend.ts';
import { systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { traceparent } from '../base/trace.ts';
import type { BackendId } from '../contract/ids.ts';
import { Engine } from '../engine/engine.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { buildEnvironment } from '../hosts/environment.ts';
import { localHost } from '../hosts/local.ts';
import type { Store } from '../store/store.ts';
import type { Tokens } from './access.ts';
import type { Configuration } from './config.ts';
import type { Environment } from './environment.ts';
import type { Isolations } from './isolation.ts';
import { plannerModel } from './planner-model.ts';

/** The engine, with what of the daemon it works with. */
export function makeEngine(parts: {
  readonly home: string;
  readonly environment: Environment;
  readonly store: Store;
  readonly log: Log;
  readonly configuration: Configuration;
  readonly backends: ReadonlyMap<BackendId, Backend>;
  readonly fleet: Pick<Fleet, 'onJoined'>;
  readonly isolations: Isolations;
  readonly tokens: Tokens;
  readonly urlNow: () => string;
}): Engine {
  const { home, environment, store, log, configuration, backends, fleet, isolations, tokens, urlNow } = parts;
  const engine = new Engine({
    store,
    clock: systemClock,
    log,
    host: localHost,
    hostFor: isolations.hostFor,
    backends,
    settingsFor: configuration.settingsFor,
    checkSettings: (path) => void configuration.check(path),
    askPlannerModel: (path) => plannerModel(configuration.settingsFor(path), environment, path),
    gitEnvironment: environment,
    environment: buildEnvironment(environment, {}),
    agentEnvironment: (agent, names, attempt) => ({
      ...passed(environment, names),
      ...(attempt !== null &&
        configuration.settingsFor(null).tracesEndpoint !== null && {
          TRACEPARENT: traceparent(attempt.requestId, attempt.id),
        }),
      GANTRY_URL: urlNow(),
      GANTRY_TOKEN: tokens.forAgent(agent),
    }),
    workspaces: join(home, 'workspaces'),
    freeMemory: () => process.availableMemory(),
    random: Math.random,
  });
  fleet.onJoined = () => engine.look();
  return engine;
}

const passed = (environment: Environment, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])));
