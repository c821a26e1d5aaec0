import { setImmediate as nextTurn } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import { expect, it } from 'vitest';
import { type Bench, bench, person } from '../../../test/support/engine-bench.ts';
import type { Caller } from '../../contract/caller.ts';

const WAKES = 40;
const idle: Caller = { actor: 'agent:project/worker/idle', scope: 'operate', agent: 'project/worker/idle' };

/** Promises of this process that somebody can still reach. */
const promises = (): number => Number(queryObjects(Promise, { format: 'count' }));

/** Every agent is woken by a message, and this one is for none. */
async function wakeAll(test: Bench): Promise<void> {
  test.engine.send({ to: 'person', text: 'Noted.', mode: 'next-turn' }, idle);
  for (let i = 0; i < 5; i += 1) await nextTurn();
}

it('an agent keeps nothing of messages for others, whether it stands by, is in a turn or works on a task', async () => {
  await using test = await bench();
  await test.engine.agents.start({ agent: 'idle', directory: test.repo.root }, person);
  await test.engine.agents.start({ agent: 'busy', directory: test.repo.root }, person);
  const hold = `Wait. @@fake ${JSON.stringify([{ hold: 'go', text: 'done' }])}`;
  const told = test.engine.send({ to: 'busy', text: hold, mode: 'next-turn' }, person);
  const options = { isSingleTask: true };
  await test.engine.submit({ text: hold, project: test.repo.root, isDirtyAllowed: false, options }, person);
  const begun = () => test.store.journal.since(0, { kinds: ['turn.started'], limit: 100 }).facts.length;
  await test.until('two turns', () => begun() === 2);
  await wakeAll(test);
  const before = promises();
  for (let i = 0; i < WAKES; i += 1) await wakeAll(test);
  expect(promises() - before, 'promises that are kept').toBeLessThan(WAKES);
  await test.release('go');
  await test.until('the end of its turn', () => test.store.read.messages.need(told.id).state === 'seen');
});
