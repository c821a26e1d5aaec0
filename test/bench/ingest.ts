import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { WebSocket } from 'ws';
import { readAdminToken } from '../../src/daemon/tokens-file.ts';
import { sampleEvent } from '../support/events.ts';
import { type BenchDaemon, benchHome } from './bench-home.ts';
import { processStat } from './process-stat.ts';
import { type Measure, type Row, rates, sampled } from './report.ts';
import { repeat, timed } from './sample.ts';

const CONNECTIONS = [1, 16, 64] as const;
const BATCH = 1_000;
const SESSIONS = 5_000;
const APPS = 10;

/** Events of outside programs, in and out. */
export const ingest: Measure = {
  name: 'ingest',
  title: 'Events of outside programs',
  how: `Events of about 700 bytes of ${SESSIONS.toLocaleString('en-US')} sessions and ${APPS} apps, posted over keep-alive connections from the measuring process, which takes its own part of the same processors; an answer comes after the commit. Processor time is the daemon’s. Then the database is filled in batches of ${BATCH.toLocaleString('en-US')} and read: one app in a thousand events is looked for by name and by a word.`,
  run: async ({ isQuick }) => {
    await using home = await benchHome({});
    await using daemon = await home.up();
    const token = readAdminToken(home.root);
    if (token === null) throw new Error('the home has no token');
    const door = { url: daemon.client.url, token };
    const size = isQuick ? 20_000 : 1_000_000;
    const rows: Row[] = [];
    for (const connections of CONNECTIONS) {
      rows.push(...(await posted(door, daemon, connections, { rounds: isQuick ? 2 : 5, ms: isQuick ? 1_000 : 4_000 })));
    }
    const filled: number[] = [];
    let middle = 0;
    for (let n = 0; n < size; n += BATCH) {
      const batch = Array.from({ length: BATCH }, (_, i) => eventOf(n + i, i === 0 ? 'rare' : undefined));
      if (n <= size / 2) middle = Date.now();
      filled.push(BATCH / ((await timed(() => call(door, '/events', JSON.stringify(batch)))) / 1_000));
    }
    const n = isQuick ? 10 : 100;
    const span = `from=${middle}&to=${middle + 2_000}`;
    const read = async (what: string, path: string, most?: number): Promise<Row> =>
      sampled(what, 'ms', await repeat(n, () => timed(() => call(door, path))), most);
    const stored = size.toLocaleString('en-US');
    return [
      ...rows,
      rates(`batches of ${BATCH.toLocaleString('en-US')}`, 'events/s', filled),
      await read(`recent, 100 of ${stored}`, '/events/recent?limit=100', 2),
      await read('recent, 100 of two seconds in the middle', `/events/recent?limit=100&${span}`, 2),
      await read('the same of one app', `/events/recent?limit=100&${span}&source_app=app-1`),
      await read('recent, 100 of a rare app', '/events/recent?limit=100&source_app=rare'),
      await read('recent, 100 by a rare word', '/events/recent?limit=100&q=source:rare', 200),
      await read('filter-options', '/events/filter-options', 5),
      sampled('stream, connected to `initial`', 'ms', await repeat(n, () => timed(() => initial(door))), 10),
      sampled(
        'stream of a rare app, to `initial`',
        'ms',
        await repeat(n, () => timed(() => initial(door, '?source_app=rare'))),
      ),
    ];
  },
};

type Door = { readonly url: string; readonly token: string };

function eventOf(i: number, app = `app-${i % APPS}`): Record<string, unknown> {
  const payload = {
    tool_name: 'Bash',
    tool_input: { command: `echo ${i}` },
    tool_response: { stdout: 'word '.repeat(90) },
  };
  return sampleEvent({ source_app: app, session_id: `session-${i % SESSIONS}`, payload });
}

/** Events a second, and what one costs the daemon, with so many senders that each wait for their answer. */
async function posted(
  door: Door,
  daemon: BenchDaemon,
  connections: number,
  { rounds, ms }: { readonly rounds: number; readonly ms: number },
): Promise<Row[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const waits: number[] = [];
  const costs: number[] = [];
  let last = 0;
  const perSecond = await repeat(rounds, async () => {
    const before = processStat(daemon.pid).cpuMs;
    const began = performance.now();
    let count = 0;
    const sender = async (): Promise<void> => {
      while (performance.now() - began < ms) {
        last += 1;
        waits.push(await timed(() => call(door, '/events', JSON.stringify(eventOf(last)), agent)));
        count += 1;
      }
    };
    await Promise.all(Array.from({ length: connections }, sender));
    costs.push((processStat(daemon.pid).cpuMs - before) / count);
    return count / ((performance.now() - began) / 1_000);
  });
  agent.destroy();
  const name = `${connections} ${connections === 1 ? 'connection' : 'connections'}`;
  return [
    rates(`POST, ${name}`, 'events/s', perSecond),
    sampled(`wait, ${name}`, 'ms', waits),
    sampled(`processor, ${name}`, 'ms/event', costs),
  ];
}

async function call({ url, token }: Door, path: string, body?: string, agent?: Agent): Promise<void> {
  const headers = {
    Authorization: `Bearer ${token}`,
    ...(body !== undefined && { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
  };
  const sent = request(`${url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers,
    ...(agent && { agent }),
  });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  answer.resume();
  await once(answer, 'end');
  if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode}`);
}

async function initial({ url, token }: Door, query = ''): Promise<void> {
  const ws = new WebSocket(`${url.replace('http', 'ws')}/view/${token}/stream${query}`);
  await once(ws, 'message');
  ws.terminate();
}
