import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { Store } from '../../src/store/store.ts';
import { tempDir } from '../support/temp.ts';
import { type Row, rowOf } from './stats.ts';

const SESSIONS = ['sess_00000a', 'sess_00000b', 'sess_00000c', 'sess_00000d'] as const;
const PER_TURN = 64;

/** Appending what agents say, grouped as the event loop groups it, and reading pages of a full journal. */
export async function journal(rows: number): Promise<Row[]> {
  await using dir = await tempDir();
  await using store = Store.open({ dir: dir.path, clock: systemClock, log: silentLog });
  const text = 'x'.repeat(300);
  const began = performance.now();
  for (let made = 0; made < rows; made += PER_TURN) {
    const facts = Array.from({ length: PER_TURN }, (_, i) => ({
      kind: 'text' as const,
      data: { partId: `p${made + i}`, text, isTruncated: false },
      subject: { sessionId: SESSIONS[i % SESSIONS.length] ?? null },
      actor: 'bench',
    }));
    await Promise.all(facts.map((fact) => store.observe([fact])));
  }
  const perSecond = rows / ((performance.now() - began) / 1000);
  const page = (filter: { sessionId?: (typeof SESSIONS)[number] }): number[] =>
    Array.from({ length: 200 }, (_, i) => {
      const at = performance.now();
      store.journal.since(Math.floor((rows * (i + 0.5)) / 201), { limit: 200, ...filter });
      return performance.now() - at;
    });
  const million = rows.toLocaleString('en');
  return [
    rowOf(
      { name: `journal, ${million} facts of 300 bytes, ${PER_TURN} writers`, unit: 'facts/s', values: [perSecond] },
      'durable (synchronous=FULL), one transaction a loop turn',
    ),
    rowOf({ name: `a page of 200 anywhere among ${million}`, unit: 'ms', values: page({}) }),
    rowOf({
      name: `a page of 200 of one session among ${million}`,
      unit: 'ms',
      values: page({ sessionId: SESSIONS[0] }),
    }),
  ];
}
