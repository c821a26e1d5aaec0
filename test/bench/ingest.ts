import { processStat } from '../support/process-stat.ts';
import { type EventServer, settled, someEvents, startGantry } from './event-server.ts';
import { ORIGINAL, startOriginal } from './original.ts';
import { postLoad } from './post-load.ts';
import { type Measure, type Row, rates, sampled, single } from './report.ts';
import { median, repeat } from './sample.ts';

/** How many connections, and how many times the original’s rate is the goal. */
const CONNECTIONS = [
  { connections: 1, goal: 1 },
  { connections: 16, goal: 3 },
  { connections: 64, goal: 3 },
] as const;
const BATCH = 100;
const BATCHES = 16;
const POSTED = 5_000;
const WARM_UP_MS = 4_000;

/** Events of outside programs on their way in. */
export const ingest: Measure = {
  name: 'ingest',
  title: 'Events of outside programs: in',
  how: `Events of about 700 bytes of 5,000 sessions and 10 apps, posted over keep-alive connections from the measuring process, which takes its own part of the same processors; an answer comes after the commit, and survives the death of the process on both sides (WAL, synchronous = NORMAL). Each round is one of the other’s and one of Gantry’s; a ratio is that of the medians. Processor time is the server’s, with what it does behind the answers (Gantry’s search index). With one connection Gantry’s goes, by perf, to about 30 % into SQLite’s transaction, a half of that writing its log, to 20 % into reading and checking, to 15 % each into sending the answer and into the search’s thread, and to 10 % into collecting garbage. ${ORIGINAL}`,
  run: async ({ isQuick, original: folder }) => {
    await using gantry = await startGantry();
    await using original = await startOriginal(folder);
    const servers = [original, gantry] as const;
    const length = { rounds: isQuick ? 3 : 5, ms: isQuick ? 1_000 : 4_000 };
    const bodies = someEvents(POSTED).map((event) => JSON.stringify(event));
    for (const server of servers) await postLoad(server, { connections: 16, ms: WARM_UP_MS, bodies });
    const rows: Row[] = [];
    for (const { connections, goal } of CONNECTIONS) {
      rows.push(...(await compared(servers, { connections, bodies, ...length }, goal)));
    }
    const batch = [JSON.stringify(someEvents(BATCH))];
    const batches = await repeat(length.rounds, () =>
      round(gantry, { connections: BATCHES, bodies: batch, ms: length.ms }, BATCH),
    );
    return [
      ...rows,
      rates(
        `arrays of ${BATCH}, ${BATCHES} connections: Gantry`,
        'events/s',
        batches.map(({ perSecond }) => perSecond),
      ),
      sampled(
        '… processor',
        'ms/event',
        batches.map(({ cost }) => cost),
      ),
    ];
  },
};

type Round = { readonly perSecond: number; readonly waits: readonly number[]; readonly cost: number };
type Rounds = {
  readonly connections: number;
  readonly bodies: readonly string[];
  readonly rounds: number;
  readonly ms: number;
};

async function compared(
  servers: readonly EventServer[],
  { rounds, ...load }: Rounds,
  goal: number,
): Promise<readonly Row[]> {
  const taken = servers.map((server) => ({ server, rounds: [] as Round[] }));
  for (let i = 0; i < rounds; i += 1) {
    for (const one of taken) one.rounds.push(await round(one.server, load, 1));
  }
  const each = taken.map(({ server, rounds: all }) => ({
    name: server.name,
    speeds: all.map(({ perSecond }) => perSecond),
    waits: all.flatMap(({ waits }) => waits),
    costs: all.map(({ cost }) => cost),
  }));
  const [theirs, ours] = each;
  if (!theirs || !ours) throw new Error('there are two');
  const { connections } = load;
  const ratio = median(ours.speeds) / median(theirs.speeds);
  return [
    ...each.flatMap(({ name, speeds, waits, costs }) => [
      rates(`POST, ${connections} ${connections === 1 ? 'connection' : 'connections'}: ${name}`, 'events/s', speeds),
      sampled('… wait', 'ms', waits),
      sampled('… processor', 'ms/event', costs),
    ]),
    single('… times its rate', '×', ratio, rounds, { text: `≥ ${goal}`, isMet: ratio >= goal }),
  ];
}

async function round(
  server: EventServer,
  load: { readonly connections: number; readonly ms: number; readonly bodies: readonly string[] },
  each: number,
): Promise<Round> {
  const before = processStat(server.pid).cpuMs;
  const { waits, tookMs } = await postLoad(server, load);
  const count = waits.length * each;
  // The next round must not pay for what this one has left to do.
  const cost = ((await settled(server)) - before) / count;
  return { perSecond: count / (tookMs / 1_000), waits, cost };
}
