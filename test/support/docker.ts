import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../../src/base/wait.ts';
import { makeRoot, TEST_IMAGE } from './podman.ts';
import { tempDir } from './temp.ts';

const run = promisify(execFile);
const READY_LIMIT_MS = 60_000;
/** A network is neither needed nor made: no rule of this machine's firewall is touched. */
const NO_NETWORK = ['--iptables=false', '--ip6tables=false', '--bridge=none'];

/** A daemon of Docker of its own, with an image made of this machine's programs: nothing is pulled. */
export type Docker = AsyncDisposable & {
  /** Why it cannot be used here; null if it can. */
  readonly problem: string | null;
  readonly env: Readonly<Record<string, string>>;
};

/** Needs `dockerd` on PATH (Debian: docker.io) and root. */
export async function openDocker(): Promise<Docker> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await tempDir());
  const socket = `unix://${path}/docker.sock`;
  const env = { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, HOME: path, DOCKER_HOST: socket };
  let problem: string | null = null;
  try {
    const places = ['--data-root', join(path, 'data'), '--exec-root', join(path, 'exec')];
    const files = ['--pidfile', join(path, 'docker.pid'), '--host', socket];
    const daemon = spawn('dockerd', [...places, ...files, ...NO_NETWORK], { env, cwd: path, stdio: 'ignore' });
    await once(daemon, 'spawn');
    stack.defer(async () => {
      if (daemon.exitCode !== null || daemon.signalCode !== null) return;
      const exited = once(daemon, 'exit');
      daemon.kill('SIGTERM');
      await exited;
    });
    const isReady = async () => {
      if (daemon.exitCode !== null) throw new Error(`dockerd ended with exit code ${daemon.exitCode}`);
      return await run('docker', ['version'], { env }).then(
        () => true,
        () => null,
      );
    };
    await until(isReady, { everyMs: 200, limitMs: READY_LIMIT_MS }, () => new Error('dockerd did not become ready'));
    const root = join(path, 'root');
    await makeRoot(root);
    await run('sh', ['-c', `tar -C "${root}" -c . | docker import - ${TEST_IMAGE}`], { env, cwd: path });
    await rm(root, { recursive: true });
    await run('docker', ['run', '--rm', '--network', 'none', TEST_IMAGE, 'sh', '-c', 'true'], { env, cwd: path });
  } catch (error) {
    problem = `docker cannot be used: ${error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error)}`;
  }
  const owned = stack.move();
  return { problem, env, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
