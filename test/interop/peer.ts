import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { until } from '../../src/base/wait.ts';
import { environmentFor } from '../support/temp.ts';

const START_LIMIT_MS = 150_000;

/** A program of a peer's virtual environment, which scripts/interop.mjs has made. */
export function program(peer: 'synapse' | 'letta', name: string): string {
  const cache = process.env.GANTRY_INTEROP_CACHE;
  if (cache === undefined) throw new Error('run these tests by `npm run test:interop`');
  return join(cache, peer, 'bin', name);
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A real server as a child process. */
export type Peer = AsyncDisposable & { readonly stop: () => Promise<void> };

/** Starts it and waits until its page answers. */
export async function startPeer(
  command: readonly string[],
  options: { readonly home: string; readonly health: string; readonly env?: Readonly<Record<string, string>> },
): Promise<Peer> {
  const [file = '', ...args] = command;
  const log = openSync(join(options.home, 'out.log'), 'a');
  const env = { ...environmentFor(options.home), ...options.env };
  const child = spawn(file, args, { cwd: options.home, env, stdio: ['ignore', log, log] });
  const stop = async (): Promise<void> => ended(child);
  try {
    const isUp = async (): Promise<true | null> => {
      if (child.exitCode !== null) throw new Error(`${file} ended with ${child.exitCode}: ${options.home}/out.log`);
      const answer = await fetch(options.health).catch(() => null);
      return answer?.ok ? true : null;
    };
    await until(isUp, { everyMs: 100, limitMs: START_LIMIT_MS }, () => new Error(`${file} does not answer`));
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop, [Symbol.asyncDispose]: stop };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const end = once(child, 'exit');
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await end;
  clearTimeout(kill);
}

/** Runs a program to its end. @throws Error with what it said */
export async function run(
  command: readonly string[],
  options: { readonly home: string; readonly env?: Readonly<Record<string, string>> },
): Promise<string> {
  const [file = '', ...args] = command;
  const env = { ...environmentFor(options.home), ...options.env };
  const child = spawn(file, args, { cwd: options.home, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${file}: ${code}\n${said.slice(-3_000)}`);
  return said;
}
