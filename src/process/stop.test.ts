import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { identityOf, isAlive } from './identity.ts';
import type { Line } from './lines.ts';
import { type RunningProcess, type StartSpec, startProcess } from './spawn.ts';
import { stopStranger } from './stop.ts';
import { findByMarker } from './sweep.ts';
import { usageOf } from './usage.ts';

const STUBBORN = fileURLToPath(new URL('../../test/fixtures/process/stubborn.mjs', import.meta.url));
const env = { PATH: '/usr/local/bin:/usr/bin:/bin' };
const newMarker = (): string => `test:${randomUUID()}`;

const start = (command: StartSpec['command'], marker: string, more: Partial<StartSpec> = {}): Promise<RunningProcess> =>
  startProcess({ command, cwd: '/', env, marker, stdin: 'ignore', output: 'pipe', ...more });

type Ready = { readonly role: string; readonly pid: number; readonly port: number };

/** Child and grandchild of the fixture, both ready. */
async function family(lines: AsyncIterable<Line>): Promise<Ready[]> {
  const ready: Ready[] = [];
  for await (const { text } of lines) if (ready.push(JSON.parse(text)) === 2) break;
  return ready;
}

async function isListening({ port }: Ready): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return false;
    throw error;
  } finally {
    socket.destroy();
  }
}

test('a program is stopped by TERM and its exit told', async () => {
  const program = await start(['sleep', '600'], newMarker());
  expect(await program.stop({ graceMs: 20_000 })).toEqual({ code: null, signal: 'SIGTERM', swept: 0, survivors: [] });
  expect(isAlive(program.identity)).toBe(false);
});

test('a program that has ended is stopped with its exit told', async () => {
  const program = await start(['sh', '-c', 'exit 4'], newMarker());
  await program.exited;
  expect(await program.stop({ graceMs: 20_000 })).toEqual({ code: 4, signal: null, swept: 0, survivors: [] });
});

test('a program that leaves at the end of its input is not signalled', async () => {
  const program = await start(['sh', '-c', 'trap "exit 9" TERM; cat; exit 5'], newMarker(), { stdin: 'pipe' });
  const report = await program.stop({ graceMs: 20_000, isStdinEndedFirst: true });
  expect(report).toMatchObject({ code: 5, signal: null });
});

test.each([['child'], ['forget']])(
  'a family that ignores TERM, one of it in a session of its own, is gone with its ports (%s)',
  async (role) => {
    const program = await start([process.execPath, STUBBORN, role], newMarker());
    const ready = await family(program.lines);
    expect(await Promise.all(ready.map(isListening))).toEqual([true, true]);
    const identities = ready.map(({ pid }) => identityOf(pid));

    const report = await program.stop({ graceMs: 100 });

    expect(report).toEqual({ code: null, signal: 'SIGKILL', swept: 1, survivors: [] });
    expect(identities.map((identity) => identity && isAlive(identity))).toEqual([false, false]);
    expect(await Promise.all(ready.map(isListening))).toEqual([false, false]);
  },
);

test.runIf(process.platform === 'linux')(
  'after the program itself was killed, the rest of its family is found by the marker and ended',
  async () => {
    const marker = newMarker();
    const program = await start([process.execPath, STUBBORN], marker);
    const ready = await family(program.lines);
    process.kill(program.identity.pid, 'SIGKILL');
    await program.exited;
    const grandchild = ready.find(({ role }) => role === 'grandchild');
    expect((await findByMarker(marker)).map(({ identity }) => identity.pid)).toEqual([grandchild?.pid]);

    const report = await stopStranger(program.identity, marker, { graceMs: 0 });

    expect(report).toEqual({ code: null, signal: null, swept: 1, survivors: [] });
    expect(await findByMarker(marker)).toEqual([]);
  },
);

test('a descendant without the marker is ended by its group when the program has ended first', async () => {
  const program = await start(['sh', '-c', 'env -i sleep 600 >&2 & echo $!'], newMarker());
  const [line] = await Array.fromAsync(program.lines);
  const orphan = identityOf(Number(line?.text));
  if (!orphan) throw new Error('the orphan has ended by itself');
  expect(await program.stop({ graceMs: 20_000 })).toMatchObject({ code: 0, survivors: [] });
  expect(isAlive(orphan)).toBe(false);
});

test('a program that we did not start is stopped by its identity', async () => {
  const stranger = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
  const ended = once(stranger, 'exit');
  const identity = identityOf(stranger.pid ?? 0);
  if (!identity) throw new Error('the stranger has no identity');
  const report = await stopStranger(identity, newMarker(), { graceMs: 20_000 });
  expect(report.survivors).toEqual([]);
  expect(await ended).toEqual([null, 'SIGTERM']);
});

test('a process that only has the pid, group and session of the program is left alone', async () => {
  const stranger = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
  const ended = once(stranger, 'exit');
  const earlier = { pid: stranger.pid ?? 0, startTime: '1@earlier-boot' };
  expect(await stopStranger(earlier, newMarker(), { graceMs: 0 })).toEqual({
    code: null,
    signal: null,
    swept: 0,
    survivors: [],
  });
  expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  stranger.kill('SIGINT');
  expect(await ended).toEqual([null, 'SIGINT']);
});

test.runIf(process.platform === 'linux')('programs are found by the beginning of their marker', async () => {
  const prefix = newMarker();
  const programs = await Promise.all(['/a', '/b'].map((end) => start(['sleep', '600'], prefix + end)));
  const found = await findByMarker(prefix);
  expect(found.map(({ marker }) => marker).sort()).toEqual([`${prefix}/a`, `${prefix}/b`]);
  expect(await findByMarker(`${prefix}/a`)).toEqual([{ identity: programs[0]?.identity, marker: `${prefix}/a` }]);
  await Promise.all(programs.map((program) => program.stop({ graceMs: 0 })));
  expect(await findByMarker(prefix)).toEqual([]);
});

test.runIf(process.platform === 'linux')(
  'the usage is that of the whole tree, and unknown when it is gone',
  async () => {
    const marker = newMarker();
    const program = await start([process.execPath, STUBBORN], marker);
    await family(program.lines);
    const usage = await usageOf(marker);
    expect(usage?.processes).toBe(2);
    // Two Node processes: at least 20 MB each, and some CPU time to start.
    expect(usage?.rssBytes).toBeGreaterThan(40_000_000);
    expect(usage?.cpuMs).toBeGreaterThan(10);
    await program.stop({ graceMs: 0 });
    expect(await usageOf(marker)).toBeNull();
  },
);
