import { buildEnvironment } from '../hosts/environment.ts';
import { PROVIDERS } from '../models/providers.ts';
import { userConfigFile } from './config.ts';
import { readConfigFile } from './config-file.ts';
import type { Environment } from './environment.ts';

/** What the daemon itself needs beside the names that an agent program gets. */
const OWN =
  /^(GANTRY_(?!SPAWN$|AGENT$|TASK$|ATTEMPT$|TOKEN$|URL$)|XDG_|OTEL_|ROZET_|OPENROUTER_|CONTAINERS_|DOCKER_)|^(MAX_CONCURRENT_TASKS|MAX_QUEUED_TASKS|MAX_TASK_FILE_SIZE|RUNNER_TIMEOUT_MS|USER|LOGNAME|SHELL|SSH_AUTH_SOCK|NODE_COMPILE_CACHE)$/;

/**
 * The whole environment of a daemon that is started in the background: the allow-listed names, the keys that a planner
 * may use, and what the user's configuration names. Of what an agent has, nothing that says who it is.
 * @throws AppError bad_config
 */
export function daemonEnvironment(parent: Environment, home: string): Record<string, string> {
  const config = readConfigFile(userConfigFile(home));
  const keys = Object.values(PROVIDERS).flatMap(({ keyNames }) => keyNames);
  const roles = Object.values(config?.roles ?? {}).flatMap(({ env }) => env ?? []);
  const own = Object.keys(parent).filter((name) => OWN.test(name));
  const planner = config?.planner?.credential === undefined ? [] : [config.planner.credential];
  const bridges = [config?.letta?.key, config?.matrix?.token].filter((name) => name !== undefined);
  const secrets = [...Object.values(config?.webhooks ?? {}).map(({ secret }) => secret), ...bridges];
  return buildEnvironment(parent, {
    pass: [...own, ...keys, ...roles, ...planner, ...secrets],
    extra: { GANTRY_HOME: home },
  });
}
