import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { until } from '../../src/base/wait.ts';
import { LIMIT_MS } from './journal-watch.ts';
import { programFile } from './programs.ts';
import { COMPILE_CACHE } from './temp.ts';
import type { World } from './world.ts';

const MAIN = programFile('cli/main');

/** A cable between a node and the daemon that can be cut. */
export type Cable = AsyncDisposable & { readonly url: string; readonly cut: () => void; readonly mend: () => void };

export async function cableTo(url: string): Promise<Cable> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) return void near.destroy();
    const far = connect(Number(port), hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => one.destroy());
      one.once('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: () => {
      isCut = true;
      drop();
    },
    mend: () => {
      isCut = false;
    },
    [Symbol.asyncDispose]: async () => {
      drop();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Another machine, as far as one machine can be two: a person of its own, a home of its own, the program `gantry node join`. */
export type FarNode = AsyncDisposable & {
  readonly root: string;
  readonly home: string;
  readonly process: ChildProcess;
  /** What it has said. */
  readonly said: () => string;
};

export async function farNode(
  world: World,
  options: {
    readonly url: string;
    readonly token: string;
    readonly name: string;
    /** The machine of one that has ended; default: another one. */
    readonly root?: string;
  },
): Promise<FarNode> {
  const { root = join(world.root, 'scratch', `${options.name}-${Date.now()}`) } = options;
  const home = join(root, 'gantry');
  for (const directory of ['user', 'gantry', 'tmp']) await mkdir(join(root, directory), { recursive: true });
  const backends = Object.fromEntries([world.agent, ...world.others].map((agent) => [agent.backend, agent.settings]));
  await writeFile(join(home, 'config.jsonc'), JSON.stringify({ backends }));
  const env = {
    PATH: world.env.PATH ?? '',
    LANG: 'C.UTF-8',
    HOME: join(root, 'user'),
    TMPDIR: join(root, 'tmp'),
    GANTRY_HOME: home,
    GANTRY_TOKEN: options.token,
    ...COMPILE_CACHE,
  };
  const args = [MAIN, 'node', 'join', options.url, '--name', options.name];
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += String(data)));
  return {
    root,
    home,
    process: child,
    said: () => said,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const over = once(child, 'exit');
      child.kill('SIGTERM');
      await over;
    },
  };
}

/** Until the node is in that state, as `gantry nodes` tells it. */
export async function nodeIs(world: World, name: string, state: string): Promise<void> {
  await until(
    async () => {
      const { items } = await world.call('nodes.list', {});
      return items.some((node) => node.name === name && node.state === state) ? true : null;
    },
    { everyMs: 50, limitMs: LIMIT_MS },
    () => new Error(`node ${name} is not ${state}`),
  );
}
