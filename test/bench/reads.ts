import { once } from 'node:events';
import { WebSocket } from 'ws';
import { call, type EventServer, fill, settled, someEvents, startGantry, streamOf } from './event-server.ts';
import { ORIGINAL, startOriginal } from './original.ts';
import { type Measure, type Row, rates, sampled } from './report.ts';
import { repeat, timed } from './sample.ts';

const SIZES = [10_000, 100_000, 1_000_000] as const;
const QUICK_SIZES = [10_000] as const;
const SPAN_MS = 2_000;
const WARM_UP = 200;

/** Events of outside programs, read back. */
export const reads: Measure = {
  name: 'reads',
  title: 'Events of outside programs: out',
  how: `The database is filled in batches of 1,000 events of about 700 bytes, of which one has an app that is rare, and read at several sizes, each time by a call on a connection of its own, the original’s and Gantry’s in turn; \`recent\` is 100 events. The last rows are of the largest size. ${ORIGINAL}`,
  run: async ({ isQuick, original: folder }) => {
    await using gantry = await startGantry();
    const n = isQuick ? 50 : 200;
    const rows: Row[] = [];
    const filled: number[] = [];
    let [from, middle] = [0, 0];
    for (const size of isQuick ? QUICK_SIZES : SIZES) {
      await fill(gantry, from, size, (events, ms) => filled.push(events / (ms / 1_000)));
      middle = Date.now() - SPAN_MS;
      from = size;
      await settled(gantry);
      rows.push(...(await ofSize(gantry, { folder, size, n })));
    }
    const span = `from=${middle}&to=${middle + SPAN_MS}`;
    const read = async (what: string, path: string, most?: number): Promise<Row> =>
      sampled(what, 'ms', await repeat(n, () => timed(() => call(gantry, path))), most);
    return [
      ...rows,
      rates('batches of 1,000', 'events/s', filled),
      await read('recent of two seconds', `/events/recent?limit=100&${span}`, 2),
      await read('the same of one app', `/events/recent?limit=100&${span}&source_app=app-1`),
      await read('recent of a rare app', '/events/recent?limit=100&source_app=rare'),
      await read('recent by a rare word', '/events/recent?limit=100&q=source:rare', 200),
      sampled('stream, connected to `initial`', 'ms', await repeat(n, () => timed(() => initial(gantry))), 10),
      sampled(
        'stream of a rare app, to `initial`',
        'ms',
        await repeat(n, () => timed(() => initial(gantry, '?source_app=rare'))),
      ),
    ];
  },
};

async function ofSize(
  gantry: EventServer,
  { folder, size, n }: { readonly folder: string | null; readonly size: number; readonly n: number },
): Promise<Row[]> {
  await using original = await startOriginal(folder, someEvents(5_000), size);
  const servers = [original, gantry];
  const read = async (what: string, path: string, most: number): Promise<Row[]> => {
    for (const server of servers) await repeat(WARM_UP, () => call(server, path));
    const pairs = await repeat(n, async () => ({
      theirs: await timed(() => call(original, path)),
      ours: await timed(() => call(gantry, path)),
    }));
    const name = `${what} at ${size.toLocaleString('en-US')}`;
    return [
      sampled(
        `${name}: ${original.name}`,
        'ms',
        pairs.map(({ theirs }) => theirs),
      ),
      sampled(
        `${name}: Gantry`,
        'ms',
        pairs.map(({ ours }) => ours),
        most,
      ),
    ];
  };
  return [
    ...(await read('recent', '/events/recent?limit=100', 2)),
    ...(await read('filter-options', '/events/filter-options', 5)),
  ];
}

async function initial(server: EventServer, query = ''): Promise<void> {
  const ws = new WebSocket(`${streamOf(server)}${query}`);
  await once(ws, 'message');
  ws.terminate();
}
