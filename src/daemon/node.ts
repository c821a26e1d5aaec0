import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { openLog } from '../base/log.ts';
import { Scope } from '../base/scope.ts';
import { AppError } from '../contract/errors.ts';
import type { NodeName } from '../contract/node.ts';
import { Checkouts } from '../fleet/checkouts.ts';
import { joinFleet } from '../fleet/join.ts';
import { Git } from '../git/git.ts';
import { buildEnvironment } from '../hosts/environment.ts';
import { Store } from '../store/store.ts';
import { localBackends } from './backends.ts';
import { Configuration } from './config.ts';
import type { Environment } from './environment.ts';
import { lockHome } from './lock.ts';
import { makePrivateDirectory } from './private-file.ts';
import { VERSION } from './version.ts';

const CLOSE_GRACE_MS = 5_000;

export type NodeOptions = {
  /** Of this machine's Gantry; a daemon may run beside it. */
  readonly home: string;
  readonly environment: Environment;
  readonly url: string;
  readonly token: string;
  readonly name: NodeName;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
};

/**
 * This machine as a node of a fleet, until the signal: it runs the agent programs of its own configuration for the plane, in
 * checkouts below `node/` of its home.
 * @throws AppError `daemon_running` if this home is a node already; `bad_config`; `unauthorized`, `forbidden`, `not_found`
 */
export async function runNode({ home, environment, ...given }: NodeOptions): Promise<void> {
  const place = join(home, 'node');
  makePrivateDirectory(place);
  await using scope = new Scope();
  scope.defer(lockHome(place).release);
  const log = openLog(join(place, 'logs', 'node.log'));
  const store = Store.open({ dir: place, clock: systemClock, log });
  scope.defer(() => store.close());
  const configuration = new Configuration({ home, environment, log, flags: [], isTrusted: () => false });
  const { backendSettings } = configuration.settingsFor(null);
  const own = Object.fromEntries(Object.entries(backendSettings).filter(([, { node }]) => node === undefined));
  const backends = localBackends({ home: place, environment, store, clock: systemClock, log }, own);
  if (backends.size === 0) throw new AppError('bad_config', `no backend of ${home} runs on this machine`);
  scope.defer(async () => {
    await Promise.all([...backends.values()].map((backend) => backend.close(CLOSE_GRACE_MS)));
  });
  // What an earlier run of this node left behind when it was killed.
  for (const backend of backends.values()) await backend.sweep(new Set());
  const checkouts = join(place, 'checkouts');
  makePrivateDirectory(checkouts);
  await joinFleet({
    ...given,
    ...{ backends, log, clock: systemClock, version: VERSION, system: `${platform()} ${arch()}` },
    checkouts: new Checkouts(new Git(buildEnvironment(environment, {})), checkouts),
  });
}
