import { randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AppError } from '../contract/errors.ts';
import { type RunningProcess, type StartSpec, startProcess } from './spawn.ts';

const PATH = '/usr/local/bin:/usr/bin:/bin';
let dir: string;
let running: RunningProcess[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gantry-spawn-'));
  running = [];
});

afterEach(async () => {
  for (const program of running) await program.stop({ graceMs: 0 });
  await rm(dir, { recursive: true });
});

async function start(command: StartSpec['command'], more: Partial<StartSpec> = {}): Promise<RunningProcess> {
  const program = await startProcess({
    command,
    cwd: dir,
    env: { PATH },
    marker: `test:${randomUUID()}`,
    stdin: 'ignore',
    output: 'pipe',
    ...more,
  });
  running.push(program);
  return program;
}

const sh = (script: string, more?: Partial<StartSpec>): Promise<RunningProcess> => start(['sh', '-c', script], more);

async function texts(program: RunningProcess): Promise<string[]> {
  const lines = await Array.fromAsync(program.lines);
  return lines.map((line) => line.text);
}

test('a program gets the given environment and the marker, and nothing of ours', async () => {
  const program = await start(['env'], { env: { PATH, GIVEN: 'yes' }, marker: 'test:env' });
  expect((await texts(program)).sort()).toEqual(['GANTRY_SPAWN=test:env', 'GIVEN=yes', `PATH=${PATH}`]);
});

test('a program leads a group and a session of its own', async () => {
  const program = await sh('ps -o pid=,pgid=,sess= -p $$');
  const [ids = ''] = await texts(program);
  expect(new Set(ids.trim().split(/\s+/))).toEqual(new Set([String(program.identity.pid)]));
});

test('the exit tells the code, or the signal and no code', async () => {
  expect(await (await sh('exit 7')).exited).toEqual({ code: 7, signal: null });
  expect(await (await sh('kill -KILL $$')).exited).toEqual({ code: null, signal: 'SIGKILL' });
});

test('a program that ends at once still has its identity', async () => {
  const programs = await Promise.all(Array.from({ length: 10 }, () => sh('exit 0')));
  for (const { identity } of programs) expect(identity.startTime).toMatch(/./);
});

test('what is written to the input is read, until the end of the input', async () => {
  const program = await start(['cat'], { stdin: 'pipe' });
  expect(await program.write('one\n')).toBe(true);
  expect(await program.write('two\n')).toBe(true);
  program.endInput();
  expect(await texts(program)).toEqual(['one', 'two']);
  expect(await program.exited).toEqual({ code: 0, signal: null });
});

test('writing to a program that has ended answers false, also for a write that was waiting', async () => {
  const program = await sh('read line; exit 0', { stdin: 'pipe' });
  const waiting = program.write('x'.repeat(1024 * 1024));
  void program.write('\n');
  await program.stop({ graceMs: 0 });
  expect(await waiting).toBe(false);
  expect(await program.write('more')).toBe(false);
});

test('a text given as input is followed by its end', async () => {
  expect(await texts(await start(['cat'], { stdin: { text: 'all\nof it' } }))).toEqual(['all', 'of it']);
});

test('lines that are read long after the end of the program are all there', async () => {
  const program = await sh('seq 1 20000');
  const first = await program.lines[Symbol.asyncIterator]().next();
  expect(first.value).toMatchObject({ text: '1' });
  const late = await sh('echo late');
  await late.exited;
  expect(await texts(late)).toEqual(['late']);
});

test('lines end although a descendant in the background holds the output', async () => {
  const program = await sh('echo before; sleep 600 & exit 3');
  expect(await texts(program)).toEqual(['before']);
  expect(await program.exited).toEqual({ code: 3, signal: null });
});

test('the last output is the end of stderr', async () => {
  const program = await sh('echo out; seq 1 100000 >&2; echo last words >&2; exit 1');
  await program.exited;
  const last = await program.lastOutput();
  expect(last.endsWith('99999\n100000\nlast words\n')).toBe(true);
  expect(last.length).toBeLessThanOrEqual(16 * 1024);
});

test("an output file takes both streams, is appended to, and gives this program's last words", async () => {
  const file = join(dir, 'out.log');
  await writeFile(file, 'older\n');
  const program = await sh('echo out; echo err >&2', { output: { file } });
  await program.exited;
  expect(await texts(program)).toEqual([]);
  expect(await program.lastOutput()).toBe('out\nerr\n');
  expect(await readFile(file, 'utf8')).toBe('older\nout\nerr\n');
});

test('a bare name is looked up in the given PATH only, past a file that may not be run', async () => {
  const [first, second] = [join(dir, 'a'), join(dir, 'b')];
  await writeFile(join(dir, 'tool'), '#!/bin/sh\necho from the working directory\n', { mode: 0o755 });
  for (const [place, mode] of [
    [first, 0o644],
    [second, 0o755],
  ] as const) {
    await mkdir(place);
    await writeFile(join(place, 'tool'), '#!/bin/sh\necho from b\n');
    await chmod(join(place, 'tool'), mode);
  }
  expect(await texts(await start(['tool'], { env: { PATH: `:.:${first}:${second}` } }))).toEqual(['from b']);
  expect(await texts(await start(['./tool']))).toEqual(['from the working directory']);
});

test.each([
  ['a name that is not on PATH', ['gantry-no-such-program'], {}, 'ENOENT', 'gantry-no-such-program'],
  ['an empty environment', ['sh'], { env: {} }, 'ENOENT', '"sh"'],
  ['a path without a file', ['./gone'], {}, 'ENOENT', 'gone'],
  ['a file that is not executable', ['./plain'], {}, 'EACCES', 'not executable'],
  ['a directory', ['./'], {}, 'ENOENT', '"./"'],
  ['a script without its interpreter', ['./no-interpreter'], {}, 'ENOENT', 'no-interpreter'],
  ['a working directory that is gone', ['sh'], { cwd: '/gantry/gone' }, 'cwd_missing', '/gantry/gone'],
  ['an output file in no directory', ['sh'], { output: { file: '/gantry/gone/log' } }, 'ENOENT', '/gantry/gone/log'],
  ['an argument with a NUL', ['sh', '-c', 'a\0b'], {}, 'ERR_INVALID_ARG_VALUE', '"sh"'],
] as const)('refused with the cause named: %s', async (_name, command, more, cause, words) => {
  await writeFile(join(dir, 'plain'), 'text');
  await writeFile(join(dir, 'no-interpreter'), '#!/gantry/no/interpreter\n', { mode: 0o755 });
  const error = await start(command, more).catch((thrown: unknown) => thrown);
  if (!(error instanceof AppError)) throw new Error(`not an AppError: ${error}`);
  expect(error.code).toBe('spawn_failed');
  expect(error.details).toEqual({ program: command[0], cause });
  expect(error.message).toContain(words);
});
