import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { Fact } from '../../src/contract/fact.ts';
import type { Store } from '../../src/store/store.ts';
import { openStore, seed, temporaryHome } from '../support/store.ts';

const WRITER = fileURLToPath(new URL('./store-writer.ts', import.meta.url));
const KILLS = 24;

/** mulberry32: the same numbers, 0 to 1, for the same seed. */
function randomOf(seedNumber: number): () => number {
  let a = seedNumber;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Runs the writer until it has said `lines` lines, kills it in the middle of whatever it does, gives all that it said. */
async function killAfter(dir: string, round: number, lines: number): Promise<string[]> {
  const child: ChildProcessByStdio<null, Readable, null> = spawn(process.execPath, [WRITER, dir, String(round)], {
    env: {},
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    if (said.length === lines) child.kill('SIGKILL');
  }
  expect(await exited).toEqual([null, 'SIGKILL']);
  // The last line may be cut off.
  return said.slice(1, -1);
}

function allFacts(store: Store): Map<number, Fact> {
  const facts = new Map<number, Fact>();
  for (let cursor = 0; cursor < store.journal.head(); ) {
    const page = store.journal.since(cursor, { limit: 1_000 });
    for (const fact of page.facts) facts.set(fact.seq, fact);
    cursor = page.next;
  }
  return facts;
}

const wordOf = (fact: Fact | undefined): string | null =>
  fact?.kind === 'text' ? fact.data.partId : fact?.kind === 'notice' ? fact.data.text : null;

it(`loses nothing that was acknowledged in ${KILLS} kills at random moments`, async () => {
  await using home = await temporaryHome();
  const first = openStore(home.dir);
  seed(first);
  await first.close();
  const random = randomOf(20_261_121);
  const acknowledged = new Map<number, string>();
  const tasks: string[] = [];
  let fence = 0;
  for (let round = 0; round < KILLS; round += 1) {
    for (const line of await killAfter(home.dir, round, 2 + Math.floor(random() * 80))) {
      const [what = '', word = ''] = line.split(' ');
      if (what === 'task') tasks.push(word);
      else if (what === 'fence') {
        expect(Number(word)).toBeGreaterThan(fence);
        fence = Number(word);
      } else acknowledged.set(Number(what), word);
    }
    const database = new DatabaseSync(join(home.dir, 'gantry.db'));
    expect(database.prepare('PRAGMA integrity_check').all()).toMatchObject([{ integrity_check: 'ok' }]);
    expect(database.prepare('PRAGMA foreign_key_check').all()).toEqual([]);
    database.close();
  }
  await using store = openStore(home.dir);
  const facts = allFacts(store);
  expect(acknowledged.size).toBeGreaterThan(KILLS * 5);
  for (const [seq, word] of acknowledged) expect([seq, wordOf(facts.get(seq))]).toEqual([seq, word]);
  for (const id of tasks) expect(store.read.tasks.get(id)?.state).toBe('assigned');
  // A commit is whole or not there: each task has both of its facts and its notice.
  const notices = store.journal.since(0, { kinds: ['notice'], limit: 100_000 }).facts;
  expect(store.read.tasks.count()).toBe(notices.length);
  expect(store.journal.since(0, { kinds: ['task.changed'], limit: 100_000 }).facts).toHaveLength(2 * notices.length);
  expect(store.commit((tx) => tx.nextFence())).toBeGreaterThan(fence);
});
