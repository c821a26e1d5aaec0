import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { COMPILE_CACHE } from '../../test/support/temp.ts';
import { until } from '../base/wait.ts';
import { AppError } from '../contract/errors.ts';
import { identityOf, isAlive } from '../process/identity.ts';
import { findByMarker } from '../process/sweep.ts';
import { readDaemonFile, writeDaemonFile } from './daemon-file.ts';
import { type Environment, processEnvironment } from './environment.ts';
import { findDaemon, type RunningDaemon } from './find-daemon.ts';
import { lockHome } from './lock.ts';
import { ensureDaemon, logFile, stopDaemon } from './spawn-daemon.ts';

const GRACE = { graceMs: 20_000 };
let root: string;
let home: string;

beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'gantry-spawn-')));
  home = join(root, 'home');
});
afterEach(async () => {
  await stopDaemon(home, GRACE);
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
});

const environment = (more: Environment = {}): Environment => ({
  PATH: processEnvironment().PATH ?? '',
  ...COMPILE_CACHE,
  HOME: root,
  SECRET_OF_THE_SHELL: 'x',
  ...more,
});
const start = (more: { environment?: Environment; port?: number; limitMs?: number } = {}): Promise<RunningDaemon> =>
  ensureDaemon({ home, environment: environment(), port: 0, isStartAllowed: true, ...more });
const refusal = async (starting: Promise<unknown>): Promise<AppError> => {
  try {
    await starting;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('it started');
};
const gone = (pid: number, startTime: string): Promise<true> =>
  until(
    () => (isAlive({ pid, startTime }) ? null : true),
    { everyMs: 20, limitMs: 60_000 },
    () => new Error(`${pid} lives`),
  );

describe('start', () => {
  test('is ready when it returns, in a private home; a second call finds it', async () => {
    const daemon = await start();
    expect(daemon).toMatchObject({ isStarted: true, url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) });
    expect(await findDaemon(home)).toEqual({ ...daemon, isStarted: false });
    expect(await start()).toEqual({ ...daemon, isStarted: false });
    expect((await stat(home)).mode & 0o777).toBe(0o700);
    for (const file of ['tokens', 'daemon.json', 'gantry.db', 'logs/daemon.log']) {
      expect([file, (await stat(join(home, file))).mode & 0o777]).toEqual([file, 0o600]);
    }
  });

  test('gives the daemon listed variables and nothing else of the shell', async () => {
    const keys = { OPENAI_API_KEY: 'k', GANTRY_TASK: 'tsk_1', GANTRY_PLANNER_MODEL: 'openai/x', LC_ALL: 'C.UTF-8' };
    const { pid } = await start({ environment: environment(keys) });
    const variables = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0').map((entry) => entry.split('=')[0]);
    const listed = ['GANTRY_HOME', 'GANTRY_PLANNER_MODEL', 'GANTRY_SPAWN', 'HOME', 'LC_ALL', 'OPENAI_API_KEY', 'PATH'];
    expect(variables.filter(Boolean).sort()).toEqual([...listed, ...Object.keys(COMPILE_CACHE)].sort());
  });

  test('of several callers at once starts one daemon', async () => {
    const daemons = await Promise.all([start(), start(), start()]);
    expect(new Set(daemons.map(({ pid }) => pid)).size).toBe(1);
    expect(daemons.filter(({ isStarted }) => isStarted)).toHaveLength(1);
    // None that was too slow is left to take over when this one is stopped.
    expect(await findByMarker(`gantry-daemon:${home}`)).toHaveLength(1);
  });

  test('takes over from a daemon that was killed, with the same token', async () => {
    const killed = await start();
    const startTime = identityOf(killed.pid)?.startTime ?? '';
    process.kill(killed.pid, 'SIGKILL');
    await gone(killed.pid, startTime);
    expect(await findDaemon(home)).toBeNull();
    const next = await start();
    expect(next.isStarted).toBe(true);
    expect(next.token).toBe(killed.token);
  });

  test('passes over the file of a pid that another process has got', async () => {
    await start();
    await stopDaemon(home, GRACE);
    writeDaemonFile(home, { pid: process.pid, startTime: 'another', url: 'http://127.0.0.1:9', version: '0' });
    expect((await start()).isStarted).toBe(true);
  });

  test('does not take the daemon of a home for that of a copy, and starts none beside it', async () => {
    const daemon = await start();
    const copy = `${home}-copy`;
    await mkdir(copy, { mode: 0o700 });
    for (const file of ['daemon.json', 'tokens']) await copyFile(join(home, file), join(copy, file));
    const isCopy = { code: 'bad_config', message: expect.stringContaining(`is a copy of ${await realpath(home)}`) };
    await expect(findDaemon(copy)).rejects.toMatchObject(isCopy);
    await expect(stopDaemon(copy, GRACE)).rejects.toMatchObject(isCopy);
    expect(() => lockHome(copy)).toThrow('is a copy of');
    expect(await findDaemon(home)).toMatchObject({ pid: daemon.pid });
    await stopDaemon(home, GRACE);
    expect(await findDaemon(copy)).toBeNull();
  });

  test('is refused where it is not allowed', async () => {
    const error = await refusal(ensureDaemon({ home, environment: environment(), isStartAllowed: false }));
    expect(error.code).toBe('daemon_unreachable');
    expect(existsSync(home)).toBe(false);
  });
});

describe('a start that fails says why', () => {
  test('a port that is taken: by whom; that program goes on', async () => {
    const server = createServer((_request, response) => response.end('<html>'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const error = await refusal(start({ port }));
    expect(error.code).toBe('port_in_use');
    expect(error.message).toContain(`port ${port} is taken by`);
    expect(error.details).toMatchObject({ port, pid: process.pid });
    expect(server.listening).toBe(true);
    expect(readDaemonFile(home)).toBeNull();
    await new Promise((resolve) => server.close(resolve));
  });

  test('a configuration that is not valid: where', async () => {
    await start();
    await stopDaemon(home, GRACE);
    await writeFile(join(home, 'config.jsonc'), '{\n  "defaultBackend": "opencodee"\n  "plannr": {} }');
    const error = await refusal(start());
    expect([error.code, error.message]).toEqual(['bad_config', expect.stringContaining('config.jsonc:3: ')]);
    await writeFile(join(home, 'config.jsonc'), '{ "backends": { "nonsense": {} } }');
    expect((await refusal(start())).code).toBe('backend_unknown');
  });

  test('a store that cannot be read', async () => {
    await start();
    await stopDaemon(home, GRACE);
    await writeFile(join(home, 'gantry.db'), 'this is no database, and long enough to be seen as such'.repeat(100));
    expect((await refusal(start())).code).toBe('store_corrupt');
  });

  test('too slow: it is ended, and its last words are shown', async () => {
    const error = await refusal(start({ limitMs: 0 }));
    expect(error.code).toBe('timeout');
    expect(readDaemonFile(home)).toBeNull();
  });
});

describe('stop', () => {
  test('ends it and leaves no process and no address behind; a second stop finds nothing', async () => {
    const { pid, url } = await start();
    const startTime = identityOf(pid)?.startTime ?? '';
    expect(await stopDaemon(home, GRACE)).toEqual({ pid, isKilled: false });
    expect(isAlive({ pid, startTime })).toBe(false);
    expect(await readdir(home)).not.toContain('daemon.json');
    await expect(fetch(url)).rejects.toThrow();
    expect(await stopDaemon(home, GRACE)).toBeNull();
  });

  test('one that does not answer is ended by force', async () => {
    const { pid } = await start();
    process.kill(pid, 'SIGSTOP');
    expect(await stopDaemon(home, { graceMs: 100 })).toEqual({ pid, isKilled: true });
    expect((await start()).isStarted).toBe(true);
  });
});

test('a log of more than 5 MB is turned over at a start; three old ones are kept', async () => {
  await mkdir(join(home, 'logs'), { recursive: true });
  for (const n of [1, 2, 3]) await writeFile(`${logFile(home)}.${n}`, `old ${n}`);
  await writeFile(logFile(home), 'x'.repeat(5_000_001));
  await start();
  const sizes = ['', '.1', '.2', '.3'].map((end) => stat(`${logFile(home)}${end}`).then(({ size }) => size));
  expect((await Promise.all(sizes)).slice(1)).toEqual([5_000_001, 5, 5]);
  expect(await readFile(`${logFile(home)}.3`, 'utf8')).toBe('old 2');
  expect(await readdir(join(home, 'logs'))).toHaveLength(4);
});
