import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { WebSocketServer } from 'ws';
import type { Backend } from '../../src/backends/backend.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { Checkouts } from '../../src/fleet/checkouts.ts';
import { Fleet } from '../../src/fleet/fleet.ts';
import { joinFleet } from '../../src/fleet/join.ts';
import { Git } from '../../src/git/git.ts';

/** A control plane's fleet with one node, over a real connection of this machine. */
export type NearNode = AsyncDisposable & {
  readonly fleet: Fleet;
  readonly git: Git;
  /** Cuts the connection; the node comes back by itself. */
  readonly cut: () => void;
};

/** One home is used by one daemon and one node at a time; where a test leaves a dead one's alive, they take turns as in one. */
const known = new Map<string, { readonly git: Git; readonly checkouts: Checkouts }>();

function placeOf(home: string, environment: Readonly<Record<string, string>>) {
  const found = known.get(home);
  if (found) return found;
  const git = new Git(environment);
  const made = { git, checkouts: new Checkouts(git, join(home, 'checkouts')) };
  known.set(home, made);
  return made;
}

export function nearNode(options: {
  readonly home: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly backend: Backend;
  readonly leaseMs?: number;
}): NearNode {
  const { home, environment, backend, leaseMs = 60_000 } = options;
  const { git, checkouts } = placeOf(home, environment);
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fleet = new Fleet({
    ...{ clock: systemClock, log: silentLog, url },
    leaseMs: () => leaseMs,
    expected: ['near'],
    note: () => undefined,
  });
  const right = { only: null, tokenId: 'none', isStillValid: () => true };
  sockets.on('connection', (socket) => fleet.accept(socket, right));
  const leaving = new AbortController();
  const run = async (): Promise<void> => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await mkdir(join(home, 'checkouts'), { recursive: true });
    await joinFleet({
      ...{ url: url(), token: 'none', name: 'near', version: '1', system: 'test', clock: systemClock, log: silentLog },
      backends: new Map([[backend.id, backend]]),
      checkouts,
      say: () => undefined,
      signal: leaving.signal,
    });
  };
  const joined = run();
  return {
    fleet,
    git,
    cut: () => {
      for (const socket of sockets.clients) socket.terminate();
    },
    [Symbol.asyncDispose]: async () => {
      leaving.abort();
      await joined;
      fleet.close();
      for (const socket of sockets.clients) socket.terminate();
      server.close();
    },
  };
}
