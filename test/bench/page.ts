import { setTimeout as pause } from 'node:timers/promises';
import { DashboardPage, hasChromium, openBrowser } from '../support/browser.ts';
import { type BenchDaemon, benchHome } from './bench-home.ts';
import { type Measure, sampled, single } from './report.ts';
import { percentile } from './sample.ts';

const RATE = 100;
const LAG_GOAL_MS = 100;
const FIRST_GOAL_MS = 1_000;
const FILL_STEPS = 600;

/** The dashboard while agents say much. */
export const page: Measure = {
  name: 'page',
  title: 'The dashboard in Chromium',
  how: `The page of events of the built daemon in headless Chromium without a graphics card. A fake agent says about ${RATE} things a second; meanwhile a key is pressed in the search field ten times a second, and the time until the browser has drawn the next frame is taken. Then the page is opened again, with all facts so far in the journal, until its first rows are there.`,
  run: async ({ isQuick }) => {
    if (!hasChromium) throw new Error('Chromium is not installed (Debian: chromium)');
    await using home = await benchHome({
      defaultBackend: 'fake',
      backends: { fake: {} },
      policy: { default: 'allow' },
    });
    await using daemon = await home.up();
    const browser = await openBrowser();
    try {
      await using dashboard = await DashboardPage.open(browser, daemon.client, '#/events');
      const seconds = isQuick ? 15 : 60;
      const before = (await daemon.client.call('status', {})).seq;
      const busy = talk(daemon, home.project, seconds);
      const lags = await pressKeys(dashboard, seconds);
      const took = await busy;
      const { seq } = await daemon.client.call('status', {});
      const firsts: number[] = [];
      for (let round = 0; round < (isQuick ? 3 : 10); round += 1) firsts.push(await firstRows(dashboard));
      const lag = percentile(lags, 0.99);
      return [
        single('facts that came meanwhile', 'facts/s', (seq - before) / took, seq - before),
        sampled('from a key to the next frame', 'ms', lags),
        single('the same, p99', 'ms', lag, lags.length, { text: `< ${LAG_GOAL_MS}`, isMet: lag < LAG_GOAL_MS }),
        sampled(
          `the page with ${seq.toLocaleString('en-US')} facts stored, to its first rows`,
          'ms',
          firsts,
          FIRST_GOAL_MS,
        ),
      ];
    } finally {
      await browser.close();
    }
  },
};

/** One agent at a steady pace. @returns how long it took, s */
async function talk({ client }: BenchDaemon, directory: string, seconds: number): Promise<number> {
  // A step is five facts and their deltas.
  const step = { say: 'says what it does', tools: [{ name: 'look' }, { name: 'look' }], silent: 50 };
  const steps = Array.from({ length: Math.min(FILL_STEPS, Math.ceil((seconds * RATE) / 5)) }, () => step);
  const prompt = `@@fake ${JSON.stringify([...steps, { text: 'done' }])}`;
  const began = performance.now();
  while (performance.now() - began < seconds * 1_000) {
    const { sessionId } = await client.call('exec.start', { prompt, directory });
    let state = 'running';
    while (state === 'running') ({ state } = await client.call('exec.wait', { id: sessionId, waitMs: 20_000 }));
    if (state !== 'done') throw new Error(`a turn of the benchmark is ${state}`);
  }
  return (performance.now() - began) / 1_000;
}

/** The page itself takes the times: the way from here to the browser is not the page's. */
async function pressKeys({ page: tab }: DashboardPage, seconds: number): Promise<number[]> {
  await tab.evaluate(`
    window.lags = [];
    const field = document.querySelector('input[type=search]');
    field.addEventListener('keydown', ({ timeStamp }) => requestAnimationFrame(() => window.lags.push(performance.now() - timeStamp)));
    field.focus();
  `);
  const end = performance.now() + seconds * 1_000;
  while (performance.now() < end) {
    await tab.keyboard.press('Shift');
    await pause(100);
  }
  return (await tab.evaluate('window.lags')) as number[];
}

async function firstRows({ page: tab }: DashboardPage): Promise<number> {
  const began = performance.now();
  await tab.reload();
  await tab.locator('[role=option]').first().waitFor();
  return performance.now() - began;
}
