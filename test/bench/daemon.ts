import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { pause } from '../../src/base/wait.ts';
import { COMPILE_CACHE } from '../support/temp.ts';
import { allOver, MAIN, openStage } from './stage.ts';
import { type Row, rowOf } from './stats.ts';

const run = promisify(execFile);
const IDLE_MS = 20_000;

const status = (pid: number, key: string): number =>
  Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
const cpuMs = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
};

/** Memory and processor time of a daemon that has nothing to do, before and after many facts. */
export async function idle(facts: number): Promise<Row[]> {
  await using stage = await openStage({
    defaultBackend: 'fake',
    limits: { maxParallel: 4 },
    backends: { fake: { env: { ...COMPILE_CACHE } } },
  });
  const { pid } = stage;
  await pause(2_000);
  const before = { rss: status(pid, 'VmRSS'), cpu: cpuMs(pid), wakes: status(pid, 'voluntary_ctxt_switches') };
  await pause(IDLE_MS);
  const seconds = IDLE_MS / 1000;
  const cpu = (cpuMs(pid) - before.cpu) / seconds;
  const wakes = (status(pid, 'voluntary_ctxt_switches') - before.wakes) / seconds;
  const perRequest = 5_000;
  const steps = Array.from({ length: perRequest / 2 }, (_, i) => ({ say: `word ${i}` }));
  for (let made = (await stage.client.call('status', {})).seq; made < facts; ) {
    const ids = await Promise.all([1, 2, 3, 4].map(() => stage.submit(`Talk. @@fake ${JSON.stringify(steps)}`)));
    await allOver(stage, ids);
    made = (await stage.client.call('status', {})).seq;
  }
  const { seq } = await stage.client.call('status', {});
  await pause(5_000);
  const after = status(pid, 'VmRSS');
  return [
    rowOf(
      { name: 'daemon, memory idle', unit: 'MB', values: [before.rss / 1024] },
      'resident, the Node program included; goal 90',
    ),
    rowOf({ name: `daemon, memory after ${seq.toLocaleString('en')} facts`, unit: 'MB', values: [after / 1024] }),
    rowOf({ name: 'daemon, processor time idle', unit: 'ms/s', values: [cpu] }),
    rowOf({ name: 'daemon, wake-ups idle', unit: '/s', values: [wakes] }),
  ];
}

/** What a command costs before it does anything. */
export async function cliStart(n: number): Promise<Row[]> {
  await using stage = await openStage({});
  const time = async (args: readonly string[]): Promise<number> => {
    const began = performance.now();
    await run(process.execPath, [...args], { env: stage.env });
    return performance.now() - began;
  };
  const series = async (name: string, args: readonly string[], note: string): Promise<Row> => {
    const values: number[] = [];
    for (let i = 0; i < n; i += 1) values.push(await time(args));
    return rowOf({ name, unit: 'ms', values }, note);
  };
  return [
    await series('node -e 0', ['-e', '0'], 'the floor'),
    await series('gantry --version', [MAIN, '--version'], 'goal 80'),
    await series('gantry status', [MAIN, 'status'], ''),
  ];
}
