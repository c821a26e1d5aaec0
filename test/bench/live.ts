import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { type EventServer, settled, someEvents, startGantry, streamOf } from './event-server.ts';
import { ORIGINAL, startOriginal } from './original.ts';
import { PostConnection, postLoad } from './post-load.ts';
import { type Measure, type Row, sampled, single } from './report.ts';
import { median, repeat } from './sample.ts';

const READERS = [1, 10, 100] as const;
const PER_SECOND = 500;
const WARM_UP_MS = 3_000;
/** What has not come by then is missing. */
const LATE_MS = 5_000;

/** From an event's POST to those who look on. */
export const live: Measure = {
  name: 'live',
  title: 'Events of outside programs: to those who look on',
  how: `Events of about 700 bytes at ${PER_SECOND} a second, one after the other, and so many WebSockets of \`/stream\` in the measuring process. A wait is from the POST to the last of the readers: Gantry’s transaction, whose commit comes first, and about 7 µs for each reader, of which the original’s Bun needs about 4. Each round is one of the original’s and one of Gantry’s. ${ORIGINAL}`,
  run: async ({ isQuick, original: folder }) => {
    await using gantry = await startGantry();
    await using original = await startOriginal(folder);
    const bodies = someEvents(PER_SECOND).map((event) => JSON.stringify(event));
    for (const server of [original, gantry]) await postLoad(server, { connections: 4, ms: WARM_UP_MS, bodies });
    const length = { bodies, count: PER_SECOND * (isQuick ? 1 : 3), rounds: isQuick ? 1 : 3 };
    const rows: Row[] = [];
    for (const readers of READERS) rows.push(...(await compared({ original, gantry }, readers, length)));
    return rows;
  },
};

type Length = { readonly bodies: readonly string[]; readonly count: number; readonly rounds: number };

async function compared(
  { original, gantry }: { readonly original: EventServer; readonly gantry: EventServer },
  readers: number,
  { rounds, ...posts }: Length,
): Promise<readonly Row[]> {
  const pairs = await repeat(rounds, async () => ({
    theirs: await followed(original, readers, posts),
    ours: await followed(gantry, readers, posts),
  }));
  const theirs = pairs.flatMap((pair) => pair.theirs.waits);
  const ours = pairs.flatMap((pair) => pair.ours.waits);
  const missing = pairs.reduce((sum, pair) => sum + pair.ours.missing, 0);
  const ratio = median(ours) / median(theirs);
  const name = `POST to the last of ${readers} ${readers === 1 ? 'reader' : 'readers'}`;
  return [
    sampled(`${name}: ${original.name}`, 'ms', theirs),
    sampled(`${name}: Gantry`, 'ms', ours),
    single('… ratio of the medians', '×', ratio, ours.length, { text: '≤ 1', isMet: ratio <= 1 }),
    single('… missing', 'events', missing, ours.length * readers, { text: '0', isMet: missing === 0 }),
  ];
}

/** Events come in the order of their posts: the n-th message of a reader is that of the n-th post. */
async function followed(
  server: EventServer,
  readers: number,
  { bodies, count }: { readonly bodies: readonly string[]; readonly count: number },
): Promise<{ readonly waits: readonly number[]; readonly missing: number }> {
  await settled(server);
  using stack = new DisposableStack();
  const arrivals = await repeat(readers, async () => {
    const ws = new WebSocket(streamOf(server), { perMessageDeflate: false });
    stack.defer(() => ws.terminate());
    await once(ws, 'message');
    const times: number[] = [];
    ws.on('message', () => times.push(performance.now()));
    return times;
  });
  const connection = stack.use(await PostConnection.open(server));
  const requests = bodies.map((body) => connection.request(body));
  const sent: number[] = [];
  const began = performance.now();
  for (let i = 0; i < count; i += 1) {
    const early = began + (i * 1_000) / PER_SECOND - performance.now();
    if (early > 1) await pause(early);
    sent.push(performance.now());
    await connection.post(requests[i % requests.length] ?? Buffer.alloc(0));
  }
  const end = performance.now() + LATE_MS;
  while (arrivals.some(({ length }) => length < count) && performance.now() < end) await pause(10);
  const waits = sent.flatMap((at, i) => {
    const last = Math.max(...arrivals.map((times) => times[i] ?? Number.NaN));
    return Number.isNaN(last) ? [] : [last - at];
  });
  return { waits, missing: arrivals.reduce((sum, { length }) => sum + count - length, 0) };
}
