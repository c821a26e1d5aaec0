import { join } from 'node:path';
import type { Backend } from '../backends/backend.ts';
import { createBackends, kindOf } from '../backends/registry.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { toAppError } from '../contract/errors.ts';
import type { BackendId } from '../contract/ids.ts';
import { Fleet } from '../fleet/fleet.ts';
import { remoteBackend } from '../fleet/remote-backend.ts';
import { Git } from '../git/git.ts';
import { buildEnvironment } from '../hosts/environment.ts';
import { localHost } from '../hosts/local.ts';
import type { Store } from '../store/store.ts';
import type { Tokens } from './access.ts';
import type { Environment } from './environment.ts';
import { makePrivateDirectory } from './private-file.ts';
import { processBook } from './process-book.ts';
import type { DaemonSettings } from './settings.ts';

export type BackendParts = {
  readonly home: string;
  readonly environment: Environment;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: () => DaemonSettings;
  readonly urlNow: () => string;
  readonly tokens: Tokens;
};

/** The machines that dial in, whose doings are in the journal, and all backends: those with a `node` run there. */
export function openBackends(parts: BackendParts): {
  readonly fleet: Fleet;
  readonly backends: ReadonlyMap<BackendId, Backend>;
} {
  const { home, environment, clock, log, settings, urlNow, tokens } = parts;
  const { backendSettings } = settings();
  const local = localBackends(parts, backendSettings);
  const named = Object.values(backendSettings).flatMap(({ node }) => node ?? []);
  const fleet = new Fleet({
    ...{ clock, log, url: urlNow },
    leaseMs: () => settings().limits.nodeLease,
    expected: [...new Set(named)],
    note: (node, level, text) => note(parts, `node:${node}`, { level, text }),
  });
  const git = new Git(buildEnvironment(environment, {}));
  const entries = [...local].map(([id, like]): [BackendId, Backend] => {
    const own = backendSettings[id] ?? {};
    if (own.node === undefined) return [id, like];
    // An agent that speaks ACP has the same name there; any other is named as its program.
    const program = (own.acp ? id : kindOf(id, own)) as BackendId;
    const shared = { fleet, git, workspaces: join(home, 'workspaces'), lend: tokens.lend };
    return [id, remoteBackend({ like, node: own.node, program, ...shared })];
  });
  return { fleet, backends: new Map(entries) };
}

/** The drivers of programs on this machine, each with a directory of its own below `backends/` of the home. */
export function localBackends(
  { home, environment, store, clock, log }: Pick<BackendParts, 'home' | 'environment' | 'store' | 'clock' | 'log'>,
  backendSettings: DaemonSettings['backendSettings'],
): ReadonlyMap<BackendId, Backend> {
  const book = processBook(store, clock, localHost.id);
  return createBackends(Object.keys(backendSettings) as BackendId[], (id) => {
    const directory = join(home, 'backends', id);
    makePrivateDirectory(directory);
    const own = { id, settings: backendSettings[id] ?? {}, home: directory };
    return { ...own, host: localHost, clock, log, book, environment: buildEnvironment(environment, {}) };
  });
}

function note(
  { store, log }: BackendParts,
  actor: string,
  data: { readonly level: 'info' | 'warning'; readonly text: string },
): void {
  try {
    store.commit((tx) => tx.record('notice', data, {}, actor));
  } catch (error) {
    // A full disk keeps no node away.
    log.error({ err: toAppError(error) }, data.text);
  }
}
