import { createHash, randomUUID } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { AppError } from '../contract/errors.ts';
import { type Isolation, parseEndpoint } from '../contract/isolation.ts';
import { containerHost, containerProblem, sweepContainers } from '../hosts/container.ts';
import type { Host } from '../hosts/host.ts';
import { localHost } from '../hosts/local.ts';
import { sandboxHost, sandboxProblem } from '../hosts/sandbox.ts';
import { type Environment, variable } from './environment.ts';
import { makePrivateDirectory } from './private-file.ts';
import type { DaemonSettings } from './settings.ts';

/** The kinds of walls that this machine may have. */
export type Isolations = {
  /** @throws AppError `isolation_missing` */
  readonly hostFor: (isolation: Isolation) => Promise<Host>;
  /** Why it cannot be had here, with the remedy; null if it can. Asked anew each time. */
  readonly problem: (isolation: Isolation) => Promise<string | null>;
  /** How containers were when one was last asked for; null if none ever was. */
  readonly containerSeen: () => { readonly status: 'ok' | 'down'; readonly checked_at: number } | null;
  /** Removes what an earlier daemon of this home has left, before anything new is started. @returns ids of containers */
  readonly sweep: () => Promise<readonly string[]>;
};

export function openIsolations(parts: {
  readonly home: string;
  readonly environment: Environment;
  readonly settings: () => DaemonSettings;
  readonly urlNow: () => string;
}): Isolations {
  const { home, environment, settings, urlNow } = parts;
  const gates = join(home, 'gates');
  makePrivateDirectory(gates);
  const userHome = variable(environment, 'HOME');
  const options = {
    environment,
    gates,
    hidden: [home, ...(userHome === undefined || userHome === '/' ? [] : [userHome])],
    readable: () => settings().walls.readable,
    settings: () => settings().container,
    owner: { home: createHash('sha256').update(home).digest('hex').slice(0, 16), run: randomUUID() },
    reach: () => [new URL(urlNow()).host, ...settings().walls.reach].flatMap((text) => parseEndpoint(text) ?? []),
  };
  const hosts: Readonly<Record<Isolation, Host>> = {
    process: localHost,
    sandbox: sandboxHost(options),
    container: containerHost(options),
  };
  const problem = async (isolation: Isolation): Promise<string | null> => {
    if (isolation === 'process') return null;
    if (isolation === 'sandbox') return await sandboxProblem(environment.PATH ?? '');
    return await containerProblem(options);
  };
  let containerSeen: ReturnType<Isolations['containerSeen']> = null;
  return {
    problem,
    sweep: async () => {
      // A daemon that was killed has left the gates of what it ran behind walls.
      const left = readdirSync(gates).map((name) => join(gates, name));
      const swept = left.length > 0 ? await sweepContainers(options) : [];
      for (const gate of left) rmSync(gate, { recursive: true, force: true });
      return swept;
    },
    containerSeen: () => containerSeen,
    hostFor: async (isolation) => {
      const cause = await problem(isolation);
      if (isolation === 'container')
        containerSeen = { status: cause === null ? 'ok' : 'down', checked_at: systemClock.now() };
      if (cause === null) return hosts[isolation];
      throw new AppError('isolation_missing', `isolation "${isolation}" cannot be had here: ${cause}`, {
        details: { isolation },
      });
    },
  };
}
