import { writeSync } from 'node:fs';
import { systemClock } from '../../src/base/clock.ts';
import { newId } from '../../src/base/ids.ts';
import { silentLog } from '../../src/base/log.ts';
import { Store } from '../../src/store/store.ts';
import { sampleTask } from '../support/rows.ts';

// Writes for ever and says what the store has acknowledged: one line `<seq> <word>` for each fact, one `fence <n>` for
// each fencing number, one `task <id>` for each row. It is killed.
const [dir = '', round = ''] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);
const store = Store.open({ dir, clock: systemClock, log: silentLog });
const limits = { streamMs: 1, observationMs: 86_400_000, stateMs: 86_400_000, maxBytes: 1e9 };

const text = (word: string) =>
  ({
    kind: 'text',
    data: { partId: word, text: word.repeat(50), isTruncated: false },
    subject: { requestId: 'req_000000001' },
    actor: 'gantry',
  }) as const;
const delta = { kind: 'text.delta', data: { partId: 'p', text: 'x' }, subject: {}, actor: 'gantry' } as const;

async function observe(words: readonly string[]): Promise<void> {
  const last = await store.observe(words.map(text));
  words.forEach((word, index) => {
    say(`${last - words.length + 1 + index} ${word}`);
  });
}

say('ready');
for (let n = 0; ; n += 1) {
  const word = `r${round}n${n}`;
  const { fence, id, seq } = store.commit((tx) => {
    const row = sampleTask(1, { id: newId('tsk', systemClock.now()), title: word });
    tx.tasks.insert(row, { actor: 'gantry' });
    tx.tasks.move(row.id, 'ready', 'assigned', {}, { actor: 'gantry' });
    tx.record('notice', { level: 'info', text: word }, { taskId: row.id }, 'gantry');
    return { fence: tx.nextFence(), id: row.id, seq: store.journal.head() };
  });
  say(`${seq} ${word}`);
  say(`fence ${fence}`);
  say(`task ${id}`);
  const grouped = [observe([`${word}a`, `${word}b`]), observe([`${word}c`]), store.observe([delta])];
  if (n % 5 === 0) await store.prune(limits, 1_000);
  await Promise.all(grouped);
}
