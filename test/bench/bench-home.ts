import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Client, createClient } from '../../src/client/client.ts';
import type { Config } from '../../src/contract/config.ts';
import { endDaemon } from '../../src/daemon/spawn-daemon.ts';
import { readAdminToken } from '../../src/daemon/tokens-file.ts';
import { makeRepository } from '../support/repository.ts';
import { tempDir } from '../support/temp.ts';
import { FactWatch } from './fact-watch.ts';

/** The built CLI: what a user has. */
export const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export type BenchDaemon = AsyncDisposable & {
  readonly pid: number;
  readonly client: Client;
  /** What `/metrics` says now. */
  readonly metrics: () => Promise<string>;
  /** A WebSocket reader of the journal from now on; `query` as the stream takes it. Closed with the daemon. */
  readonly watch: (query?: string) => Promise<FactWatch>;
};

export type BenchHome = AsyncDisposable & {
  readonly root: string;
  /** A repository with one commit. */
  readonly project: string;
  /** A fresh worktree of it. */
  readonly worktree: () => Promise<string>;
  readonly env: Readonly<Record<string, string>>;
  /** Runs the built `gantry`. */
  readonly gantry: (...args: string[]) => Promise<string>;
  /** Starts the built daemon; at the end it goes with all that it has started. */
  readonly up: () => Promise<BenchDaemon>;
};

/** A home of its own, with a project and the built program. */
export async function benchHome(config: Config = {}): Promise<BenchHome> {
  await using stack = new AsyncDisposableStack();
  const root = stack.use(await tempDir()).path;
  const repository = stack.use(await makeRepository());
  const project = repository.root;
  let worktrees = 0;
  const worktree = async (): Promise<string> => {
    worktrees += 1;
    const path = repository.beside(`worktree-${worktrees}`);
    await repository.git(['worktree', 'add', '--quiet', '--detach', path]);
    return path;
  };
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: root, GANTRY_HOME: root, LANG: 'C.UTF-8' };
  await writeFile(join(root, 'config.jsonc'), JSON.stringify({ server: { port: 0 }, ...config }));
  const gantry = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)(process.execPath, [CLI, ...args], { env, cwd: root })).stdout;
  const up = async (): Promise<BenchDaemon> => {
    await using started = new AsyncDisposableStack();
    started.defer(() => endDaemon(root, { graceMs: 10_000 }));
    const { pid, url } = JSON.parse(await gantry('up', '--json')) as { pid: number; url: string };
    const token = readAdminToken(root);
    if (token === null) throw new Error(`no token in ${root}`);
    const kept = started.move();
    return {
      pid,
      client: createClient({ url, token }),
      metrics: async () => (await fetch(`${url}/metrics`, { headers: { Authorization: `Bearer ${token}` } })).text(),
      watch: async (query = '') => kept.use(await FactWatch.open(url, token, query)),
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  };
  const kept = stack.move();
  return { root, project, worktree, env, gantry, up, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
