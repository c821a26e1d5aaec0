import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AppError } from '../contract/errors.ts';
import { identityOf } from '../process/identity.ts';
import { type RunningProcess, startProcess } from '../process/spawn.ts';
import { readDaemonFile, writeDaemonFile } from './daemon-file.ts';
import { lockHome } from './lock.ts';

const holder = fileURLToPath(new URL('../../test/fixtures/daemon/hold-lock.ts', import.meta.url));
let home: string;
const started: RunningProcess[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'gantry-lock-'));
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((process) => process.stop({ graceMs: 0 })));
  await rm(home, { recursive: true });
});

/** Another process that wants the lock, and what it says first. */
async function contend(): Promise<{ readonly process: RunningProcess; readonly said: string }> {
  const spec = { cwd: home, env: {}, marker: `lock-test-${home}`, stdin: 'ignore', output: 'pipe' } as const;
  const running = await startProcess({ ...spec, command: [process.execPath, holder, home] });
  started.push(running);
  for await (const { text } of running.lines) return { process: running, said: text };
  throw new Error(await running.lastOutput());
}

const refusal = (): AppError => {
  try {
    lockHome(home).release();
  } catch (error) {
    return error as AppError;
  }
  throw new Error('the lock was free');
};

test('of several processes at once, one wins', async () => {
  const contenders = await Promise.all([contend(), contend(), contend()]);
  expect(contenders.map(({ said }) => said).sort()).toEqual(['daemon_running', 'daemon_running', 'locked']);
});

test('a lock dies with its holder, also by KILL', async () => {
  const { process, said } = await contend();
  expect(said).toBe('locked');
  expect(refusal().code).toBe('daemon_running');
  await process.stop({ graceMs: 0 });
  expect((await process.exited).signal).not.toBeNull();
  lockHome(home).release();
});

test('a released lock is free, in this process too', () => {
  const lock = lockHome(home);
  expect(refusal().code).toBe('daemon_running');
  lock.release();
  lockHome(home).release();
});

test('the refusal names the address of the one that runs', () => {
  const lock = lockHome(home);
  expect(refusal().message).toMatch(/starting or stopping/);
  const self = identityOf(process.pid);
  if (self === null) throw new Error('this process has no identity');
  writeDaemonFile(home, { ...self, url: 'http://127.0.0.1:4000', version: '1' });
  expect(refusal().details).toEqual({ home, url: 'http://127.0.0.1:4000', pid: process.pid });
  lock.release();
});

test('a file of a pid that another process has got, or a broken one, says that nobody runs', async () => {
  writeDaemonFile(home, { pid: process.pid, startTime: 'another time', url: 'http://127.0.0.1:4000', version: '1' });
  expect(readDaemonFile(home)).toBeNull();
  expect((await stat(join(home, 'daemon.json'))).mode & 0o777).toBe(0o600);
  await writeFile(join(home, 'daemon.json'), '{"pid":');
  expect(readDaemonFile(home)).toBeNull();
});

test('the home is private, and one that cannot be used is refused in words', async () => {
  await chmod(home, 0o755);
  lockHome(home).release();
  expect((await stat(home)).mode & 0o777).toBe(0o700);
  const file = join(home, 'file');
  await writeFile(file, '');
  expect(() => lockHome(join(file, 'home'))).toThrow(/cannot be written/);
});
