import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { tempDir } from '../../test/support/temp.ts';
import { type RunResult, type RunSpec, runCommand, runShell } from './run.ts';
import { findByMarker } from './sweep.ts';

const STUBBORN = fileURLToPath(new URL('../../test/fixtures/process/stubborn.mjs', import.meta.url));
const spec = { cwd: '/', env: { PATH: '/usr/local/bin:/usr/bin:/bin' }, limitMs: 60_000 };
const newMarker = (): string => `test:${randomUUID()}`;
const shell = (script: string, more: Partial<RunSpec> = {}): Promise<RunResult> =>
  runShell(script, { ...spec, marker: newMarker(), ...more });

test('both outputs and the code are told apart', async () => {
  const result = await shell('echo out; echo err >&2; exit 3');
  expect(result).toMatchObject({ code: 3, signal: null, stdout: 'out\n', stderr: 'err\n' });
  expect(result).toMatchObject({ isTimedOut: false, isAborted: false, isTruncated: false });
});

test('without input the program reads its end; with one it reads that', async () => {
  expect((await shell('cat')).stdout).toBe('');
  expect((await shell('cat', { stdin: 'given' })).stdout).toBe('given');
});

test('input that the program does not read is no failure', async () => {
  expect(await shell('exit 0', { stdin: 'x'.repeat(1024 * 1024) })).toMatchObject({ code: 0 });
});

test('a huge output keeps its beginning and its end', async () => {
  const result = await shell('seq 1 2000000; echo end', { maxOutputBytes: 2_000 });
  expect(result.isTruncated).toBe(true);
  expect(result.stdout.startsWith('1\n2\n3\n')).toBe(true);
  expect(result.stdout.endsWith('2000000\nend\n')).toBe(true);
  expect(result.stdout).toMatch(/\n\[\d+ bytes left out\]\n/);
  expect(result.stdout.length).toBeLessThan(2_100);
});

test.runIf(process.platform === 'linux')('at the limit the whole family is ended, however stubborn', async () => {
  const marker = newMarker();
  // Enough for both to be ready; were they not, they would be ended all the same.
  const result = await runCommand({
    ...spec,
    command: [process.execPath, STUBBORN],
    marker,
    limitMs: 300,
    graceMs: 100,
  });
  expect(result).toMatchObject({ code: null, isTimedOut: true, isAborted: false });
  expect(await findByMarker(marker)).toEqual([]);
});

test('a program that ends well when it is told to has not done its work', async () => {
  await using dir = await tempDir();
  const ready = join(dir.path, 'ready');
  await promisify(execFile)('mkfifo', [ready]);
  const abort = new AbortController();
  const script = 'trap \'exit 0\' TERM; echo > "$1"; while :; do sleep 0.05; done';
  const command = ['/bin/sh', '-c', script, 'sh', ready] as const;
  const running = runCommand({ ...spec, command, marker: newMarker(), signal: abort.signal });
  // Comes when the program has opened it.
  await readFile(ready);
  abort.abort();
  expect(await running).toMatchObject({ code: null, signal: null, isAborted: true });
});

test('an abort ends it', async () => {
  const abort = new AbortController();
  const running = shell('sleep 600', { signal: abort.signal });
  abort.abort();
  expect(await running).toMatchObject({ code: null, signal: 'SIGTERM', isTimedOut: false, isAborted: true });
});

test('an abort that came first starts nothing', async () => {
  const result = await runCommand({
    ...spec,
    command: ['gantry-no-such-program'],
    marker: newMarker(),
    signal: AbortSignal.abort(),
  });
  expect(result).toMatchObject({ code: null, signal: null, isAborted: true });
});

test.runIf(process.platform === 'linux')(
  'what it leaves in the background is ended, and its own exit told',
  async () => {
    const marker = newMarker();
    const result = await shell('setsid sleep 600 & echo done; exit 0', { marker });
    expect(result).toMatchObject({ code: 0, stdout: 'done\n' });
    expect(await findByMarker(marker)).toEqual([]);
  },
);

test('a program without a marker gets none', async () => {
  expect((await shell('echo "[$GANTRY_SPAWN]"', { marker: null })).stdout).toBe('[]\n');
});

test('an endless limit is no limit of nothing', async () => {
  expect(await shell('echo ok', { limitMs: Number.MAX_SAFE_INTEGER })).toMatchObject({ code: 0, isTimedOut: false });
});
