import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { processStat } from '../support/process-stat.ts';
import { type EventServer, eventOf, settled, someEvents, startGantry, streamOf } from './event-server.ts';
import { postLoad } from './post-load.ts';
import { type Measure, type Row, single } from './report.ts';
import { repeat } from './sample.ts';

const EVENTS = 200_000;
const GROWTH_MB = 60;
const READERS = 10;
const LARGE = 30_000;
const LARGE_BYTES = 4_000;
const STALLED_MB = 20;
const CONNECTIONS = 16;
const SLICE_MS = 500;
const LOOK_MS = 100;
/** Looks without news after which what is missing is missing. */
const PATIENCE = 100;

/** What many events, and readers that do not read, leave in the daemon's memory. */
export const stalled: Measure = {
  name: 'stalled',
  title: 'Events of outside programs: memory',
  how: `A fresh daemon takes about ${EVENTS.toLocaleString('en-US')} events of about 700 bytes over ${CONNECTIONS} connections. Then ${READERS} WebSockets of \`/stream\` stop reading while about ${LARGE.toLocaleString('en-US')} events of ${LARGE_BYTES.toLocaleString('en-US')} bytes come, and go on afterwards. Memory (RSS) is the most that was seen, beyond what it was before.`,
  run: async ({ isQuick }) => {
    await using gantry = await startGantry();
    await settled(gantry);
    const taken = await growth(gantry, bodiesOf(someEvents(1_000)), isQuick ? EVENTS / 10 : EVENTS);
    await settled(gantry);
    using stack = new DisposableStack();
    const readers = await repeat(READERS, async () => {
      const ws = new WebSocket(streamOf(gantry), { perMessageDeflate: false });
      stack.defer(() => ws.terminate());
      await once(ws, 'message');
      const reader = { ws, count: 0 };
      ws.on('message', () => {
        reader.count += 1;
      });
      ws.pause();
      return reader;
    });
    const held = await growth(gantry, bodiesOf(Array.from({ length: 100 }, largeEvent)), isQuick ? LARGE / 10 : LARGE);
    for (const { ws } of readers) ws.resume();
    const all = READERS * held.events;
    const missing = all - (await counted(() => readers.reduce((sum, { count }) => sum + count, 0), all));
    return [
      grown(`${taken.events.toLocaleString('en-US')} events`, taken, GROWTH_MB),
      grown(`${READERS} readers that do not read ${held.events.toLocaleString('en-US')} events`, held, STALLED_MB),
      single('… missing when they read again', 'events', missing, all, { text: '0', isMet: missing === 0 }),
    ];
  },
};

type Growth = { readonly mb: number; readonly events: number };

const grown = (what: string, { mb, events }: Growth, most: number): Row =>
  single(what, 'MB', mb, events, { text: `≤ ${most}`, isMet: mb <= most });
const bodiesOf = (events: readonly object[]): readonly string[] => events.map((event) => JSON.stringify(event));
const largeEvent = (_: unknown, i: number): object => ({ ...eventOf(i), summary: 'x'.repeat(LARGE_BYTES - 700) });

/** By how much memory has grown at most while so many events are posted. */
async function growth(server: EventServer, bodies: readonly string[], least: number): Promise<Growth> {
  const before = processStat(server.pid).rssMb;
  let [mb, events] = [0, 0];
  while (events < least) {
    events += (await postLoad(server, { connections: CONNECTIONS, ms: SLICE_MS, bodies })).waits.length;
    mb = Math.max(mb, processStat(server.pid).rssMb - before);
  }
  return { mb, events };
}

/** What `count` comes to: `goal`, or what it is when nothing more comes. */
async function counted(count: () => number, goal: number): Promise<number> {
  let last = count();
  for (let quiet = 0; quiet < PATIENCE && last < goal; ) {
    await pause(LOOK_MS);
    const now = count();
    quiet = now === last ? quiet + 1 : 0;
    last = now;
  }
  return last;
}
