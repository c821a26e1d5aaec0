import { setTimeout as pause } from 'node:timers/promises';
import { processStat } from '../support/process-stat.ts';
import { fakeConfig } from './agents.ts';
import { type BenchDaemon, benchHome } from './bench-home.ts';
import { type Measure, single } from './report.ts';
import { repeat } from './sample.ts';

const STEPS = 600;
const AT_ONCE = 4;
const SETTLE_MS = 1_000;
/** Growth from the first quarter to the end that still counts as flat. */
const FLAT = 1.1;

/** What a daemon keeps of all that has gone through it. */
export const facts: Measure = {
  name: 'facts',
  title: 'A daemon through which many facts have gone',
  how: `Turns of ${AT_ONCE} fake agents at once that say, think and use tools without end: every word of theirs is taken, checked and written to the journal durably. Memory is read between the turns; flat means at most a tenth more at the end than after the first quarter.`,
  run: async ({ isQuick }) => {
    await using home = await benchHome(fakeConfig);
    await using daemon = await home.up();
    const looks = await repeat(isQuick ? 2 : 8, async () => {
      const seconds = await busy(daemon, home.project);
      await pause(SETTLE_MS);
      const { seq } = await daemon.client.call('status', {});
      return { seq, seconds, rssMb: processStat(daemon.pid).rssMb };
    });
    const last = looks.at(-1);
    const quarter = looks[Math.ceil(looks.length / 4) - 1];
    if (!last || !quarter) throw new Error('nothing was measured');
    const seconds = looks.reduce((sum, look) => sum + look.seconds, 0);
    const goal = { text: 'flat', isMet: last.rssMb <= quarter.rssMb * FLAT };
    return [
      single(`memory (RSS) after ${quarter.seq.toLocaleString('en-US')} facts`, 'MB', quarter.rssMb, 1),
      single(`memory (RSS) after ${last.seq.toLocaleString('en-US')} facts`, 'MB', last.rssMb, 1, goal),
      single('from the agents into the journal', 'facts/s', last.seq / seconds, last.seq),
    ];
  },
};

/** One turn of each agent. @returns how long it took, s */
async function busy({ client }: BenchDaemon, directory: string): Promise<number> {
  const step = {
    reasoning: 'thinks about it',
    say: 'says what it does',
    tools: [{ name: 'look' }, { name: 'look' }],
    todo: [{ text: 'look', status: 'completed' }],
  };
  const prompt = `@@fake ${JSON.stringify([...Array.from({ length: STEPS }, () => step), { text: 'done' }])}`;
  const turn = async (): Promise<void> => {
    const { sessionId } = await client.call('exec.start', { prompt, directory });
    let state = 'running';
    while (state === 'running') ({ state } = await client.call('exec.wait', { id: sessionId, waitMs: 20_000 }));
    if (state !== 'done') throw new Error(`a turn of the benchmark is ${state}`);
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, turn));
  return (performance.now() - began) / 1000;
}
