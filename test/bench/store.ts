import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import type { NewFact } from '../../src/store/facts.ts';
import { Store } from '../../src/store/store.ts';
import { tempDir } from '../support/temp.ts';
import { type Measure, rates, sampled } from './report.ts';
import { repeat, timed } from './sample.ts';

const WRITERS = 64;
const FILL = 5_000;
const PAGE = 200;
const SESSIONS = ['sess_00000000a', 'sess_00000000b', 'sess_00000000c', 'sess_00000000d'] as const;

/** The journal by itself, in this process. */
export const store: Measure = {
  name: 'store',
  title: 'The journal',
  how: `Facts of 200 characters. Appended as observations: ${WRITERS} writers that each wait until theirs is durable and then write the next, one transaction per turn of the event loop; or ${FILL.toLocaleString('en-US')} at once. Then pages of ${PAGE} from places all over the journal. A page is read and checked, as a reader of the stream gets it.`,
  run: async ({ isQuick }) => {
    await using dir = await tempDir();
    const opened = Store.open({ dir: dir.path, clock: systemClock, log: silentLog });
    try {
      const grouped = await repeat(isQuick ? 4 : 20, async () => {
        const rounds = 32;
        const writer = async (): Promise<void> => {
          for (let i = 0; i < rounds; i += 1) await opened.observe([fact(i)]);
        };
        const ms = await timed(() => Promise.all(Array.from({ length: WRITERS }, writer)));
        return (WRITERS * rounds) / (ms / 1000);
      });
      const batch = Array.from({ length: FILL }, (_, i) => fact(i));
      const filled: number[] = [];
      const size = isQuick ? 100_000 : 1_000_000;
      while (opened.journal.head() < size) {
        filled.push(FILL / ((await timed(() => opened.observe(batch))) / 1000));
      }
      const head = opened.journal.head();
      const pages = await repeat(isQuick ? 100 : 500, (i) => {
        // Spread by a stride that shares no factor with the size.
        const cursor = (i * 7_919_993) % (head - PAGE);
        return timed(async () => opened.journal.since(cursor, { limit: PAGE }));
      });
      const ofOne = await repeat(isQuick ? 100 : 500, (i) => {
        const cursor = (i * 7_919_993) % (head - PAGE * SESSIONS.length);
        return timed(async () => opened.journal.since(cursor, { limit: PAGE, sessionId: SESSIONS[0] }));
      });
      const newest = await repeat(isQuick ? 20 : 100, () => timed(async () => opened.journal.recent(PAGE)));
      const million = head.toLocaleString('en-US');
      return [
        rates(`append, ${WRITERS} writers`, 'facts/s', grouped),
        rates(`append, ${FILL.toLocaleString('en-US')} at once`, 'facts/s', filled),
        sampled(`since, ${PAGE} of ${million} facts`, 'ms', pages),
        sampled(`since, ${PAGE} of one session of ${SESSIONS.length}`, 'ms', ofOne),
        sampled(`recent, ${PAGE} of ${million} facts`, 'ms', newest),
      ];
    } finally {
      await opened.close();
    }
  },
};

const fact = (i: number): NewFact => ({
  kind: 'text',
  data: { partId: `part-${i}`, text: 'x'.repeat(200), isTruncated: false },
  subject: { sessionId: SESSIONS[i % SESSIONS.length] ?? null },
  actor: 'bench',
});
