import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { processStat } from '../support/process-stat.ts';
import { type BenchHome, benchHome } from './bench-home.ts';
import { type Measure, type Row, sampled, single } from './report.ts';
import { repeat } from './sample.ts';

const SETTLE_MS = 2_000;

/** What a daemon costs that has nothing to do. */
export const idle: Measure = {
  name: 'idle',
  title: 'An idle daemon',
  how: `The built daemon as \`gantry up\` starts it, ${SETTLE_MS / 1000} s after it was ready, and the same for a Node that does nothing. Of the memory the part that is mapped from files is Node's own program, which all Nodes of a machine share. Wake-ups are those of the event loop: a timer that is busier than once a second would show as more than one.`,
  run: async ({ isQuick }) => {
    const bare = await bareNode();
    const starts = await repeat(isQuick ? 1 : 3, async () => {
      await using home = await benchHome();
      await using daemon = await home.up();
      await pause(SETTLE_MS);
      return processStat(daemon.pid);
    });
    await using home = await benchHome();
    return [
      sampled('an empty Node', 'MB', [bare.rssMb]),
      sampled(
        'daemon, memory (RSS)',
        'MB',
        starts.map(({ rssMb }) => rssMb),
        90,
      ),
      sampled(
        '… of it mapped from files',
        'MB',
        starts.map(({ fileMb }) => fileMb),
      ),
      ...(await work(home, isQuick ? 5_000 : 20_000)),
    ];
  },
};

async function bareNode(): Promise<ReturnType<typeof processStat>> {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume(); console.log("ready")'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {},
  });
  const exited = once(child, 'exit');
  try {
    await once(child.stdout, 'data');
    return processStat(child.pid ?? 0);
  } finally {
    child.stdin.end();
    await exited;
  }
}

/** Processor time and wake-ups over a while without any client. */
async function work(home: BenchHome, ms: number): Promise<Row[]> {
  await using daemon = await home.up();
  await pause(SETTLE_MS);
  const before = processStat(daemon.pid);
  await pause(ms);
  const after = processStat(daemon.pid);
  const perSecond = (after.wakeUps - before.wakeUps) / (ms / 1000);
  const seconds = ms / 1000;
  return [
    single(`processor time in ${seconds} s`, 'ms', after.cpuMs - before.cpuMs, 1),
    single('wake-ups', 'per second', perSecond, seconds, { text: '≤ 1', isMet: perSecond <= 1 }),
  ];
}
