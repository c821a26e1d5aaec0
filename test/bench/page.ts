import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { Store } from '../../src/store/store.ts';
import { DashboardPage, hasChromium, openBrowser } from '../support/browser.ts';
import { type BenchDaemon, type BenchHome, benchHome } from './bench-home.ts';
import { type Measure, type Row, sampled, single } from './report.ts';
import { percentile } from './sample.ts';

const RATE = 100;
const LAG_GOAL_MS = 100;
const FREEZE_MS = 500;
const FIRST_GOAL_MS = 1_000;
const FILL_STEPS = 600;
/** More than the page keeps: from there on its memory must not grow. */
const FULL = 25_000;
const HEAP_EVERY_MS = 5_000;
const FLAT = 1.1;
const STORED = 1_000_000;
const BATCH = 5_000;

const CONFIG = { defaultBackend: 'fake', backends: { fake: {} }, policy: { default: 'allow' } } as const;

/** The dashboard while agents say much. */
export const page: Measure = {
  name: 'page',
  title: 'The dashboard in Chromium',
  how: `The page of events of the built daemon in headless Chromium without a graphics card, once it has taken ${FULL.toLocaleString('en-US')} facts, more than it keeps. A fake agent says about ${RATE} things a second; meanwhile a key is pressed in the search field ten times a second, and the time until the browser has drawn the next frame is taken, as is the longest time without a frame. The heap is what is in use after a collection, every ${HEAP_EVERY_MS / 1_000} s; flat means at most a tenth more at the end than at first.`,
  run: ({ isQuick }) =>
    withPage(
      (home) => home.up(),
      async (home, daemon, dashboard) => {
        await burst(daemon, home.project, FULL);
        const seconds = isQuick ? 15 : 60;
        const before = (await daemon.client.call('status', {})).seq;
        const heap = await heapOf(dashboard);
        const first = await heap.measure();
        const busy = talk(daemon, home.project, seconds);
        const { lags, gaps, heaps } = await pressKeys(dashboard, seconds, heap.measure);
        const took = await busy;
        const { seq } = await daemon.client.call('status', {});
        const lag = percentile(lags, 0.99);
        const longest = Math.max(...gaps);
        const last = heaps.at(-1) ?? first;
        return [
          single('facts that came meanwhile', 'facts/s', (seq - before) / took, seq - before),
          sampled('from a key to the next frame', 'ms', lags),
          single('the same, p99', 'ms', lag, lags.length, { text: `< ${LAG_GOAL_MS}`, isMet: lag < LAG_GOAL_MS }),
          single('the longest time without a frame', 'ms', longest, gaps.length, {
            text: `< ${FREEZE_MS}`,
            isMet: longest < FREEZE_MS,
          }),
          single('heap in use at first', 'MB', first, 1),
          single('heap in use at the end', 'MB', last, 1, { text: 'flat', isMet: last <= first * FLAT }),
        ];
      },
    ),
};

/** The dashboard on a journal that is long. */
export const pageStored: Measure = {
  name: 'page-stored',
  title: 'The dashboard on a long journal',
  how: `The page of events of the built daemon, opened anew with ${STORED.toLocaleString('en-US')} facts in the journal, from the reload to its first rows; the daemon has just been started on them and is making its search index.`,
  run: ({ isQuick }) => {
    const size = isQuick ? STORED / 10 : STORED;
    return withPage(
      async (home) => {
        await fill(home, size);
        return home.up();
      },
      async (_home, _daemon, dashboard): Promise<Row[]> => {
        const firsts: number[] = [];
        for (let round = 0; round < (isQuick ? 3 : 10); round += 1) firsts.push(await firstRows(dashboard));
        return [
          sampled(`with ${size.toLocaleString('en-US')} facts stored, to its first rows`, 'ms', firsts, FIRST_GOAL_MS),
        ];
      },
    );
  },
};

async function withPage(
  start: (home: BenchHome) => Promise<BenchDaemon>,
  measure: (home: BenchHome, daemon: BenchDaemon, dashboard: DashboardPage) => Promise<Row[]>,
): Promise<Row[]> {
  if (!hasChromium) throw new Error('Chromium is not installed (Debian: chromium)');
  await using home = await benchHome(CONFIG);
  await using daemon = await start(home);
  const browser = await openBrowser();
  try {
    await using dashboard = await DashboardPage.open(browser, daemon.client, '#/events');
    return await measure(home, daemon, dashboard);
  } finally {
    await browser.close();
  }
}

/** Into the daemon's own store, before it is started. */
async function fill({ root }: BenchHome, size: number): Promise<void> {
  const store = Store.open({ dir: root, clock: systemClock, log: silentLog });
  try {
    for (let n = 0; n < size; n += BATCH) {
      const fact = (i: number) => ({
        kind: 'text' as const,
        data: { partId: `part-${i}`, text: `says ${i} ${'x'.repeat(180)}`, isTruncated: false },
        subject: {},
        actor: 'bench',
      });
      await store.observe(Array.from({ length: BATCH }, (_, i) => fact(n + i)));
    }
  } finally {
    await store.close();
  }
}

/** As fast as one agent can say it; the page has it all when this ends. */
async function burst({ client }: BenchDaemon, directory: string, facts: number): Promise<void> {
  const step = { say: 'says what it does', tools: [{ name: 'look' }, { name: 'look' }] };
  const prompt = `@@fake ${JSON.stringify([...Array.from({ length: FILL_STEPS }, () => step), { text: 'done' }])}`;
  const { seq } = await client.call('status', {});
  while ((await client.call('status', {})).seq < seq + facts) {
    const { sessionId } = await client.call('exec.start', { prompt, directory });
    let state = 'running';
    while (state === 'running') ({ state } = await client.call('exec.wait', { id: sessionId, waitMs: 20_000 }));
    if (state !== 'done') throw new Error(`a turn of the benchmark is ${state}`);
  }
}

/** MB that the page's scripts have in use. */
async function heapOf({ page: tab, context }: DashboardPage): Promise<{ readonly measure: () => Promise<number> }> {
  const session = await context.newCDPSession(tab);
  return {
    measure: async () => {
      await session.send('HeapProfiler.collectGarbage');
      const { usedSize } = await session.send('Runtime.getHeapUsage');
      return usedSize / 1_000_000;
    },
  };
}

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

type Pressed = {
  readonly lags: readonly number[];
  readonly gaps: readonly number[];
  readonly heaps: readonly number[];
};

/** The page itself takes the times: the way from here to the browser is not the page's. */
async function pressKeys({ page: tab }: DashboardPage, seconds: number, heap: () => Promise<number>): Promise<Pressed> {
  await tab.evaluate(`
    window.lags = [];
    window.gaps = [];
    let last = performance.now();
    const frame = (now) => {
      if (!document.hidden && !window.isCollecting) window.gaps.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    const field = document.querySelector('input[type=search]');
    field.addEventListener('keydown', ({ timeStamp }) => requestAnimationFrame(() => window.lags.push(performance.now() - timeStamp)));
    field.focus();
  `);
  const end = performance.now() + seconds * 1_000;
  const heaps: number[] = [];
  let heapAt = performance.now() + HEAP_EVERY_MS;
  while (performance.now() < end) {
    if (performance.now() <= heapAt) await tab.keyboard.press('Shift');
    else {
      // A collection that the measure asks for is not the page's, and no key is pressed into it.
      await tab.evaluate('window.isCollecting = true');
      heaps.push(await heap());
      await tab.evaluate('requestAnimationFrame(() => requestAnimationFrame(() => { window.isCollecting = false; }))');
      heapAt = performance.now() + HEAP_EVERY_MS;
    }
    await pause(100);
  }
  const taken = (await tab.evaluate('({ lags: window.lags, gaps: window.gaps })')) as Omit<Pressed, 'heaps'>;
  return { ...taken, heaps };
}

async function firstRows({ page: tab }: DashboardPage): Promise<number> {
  const began = performance.now();
  await tab.reload();
  await tab.locator('[role=option]').first().waitFor();
  return performance.now() - began;
}
