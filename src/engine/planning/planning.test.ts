import { expect, test } from 'vitest';
import { bench, over, person, submit } from '../../../test/support/engine-bench.ts';

test('a request that goes on while its planning still ends for a pause is planned', async () => {
  await using engine = await bench();
  const task = { task_id: 'T1', title: 'One', description: 'Do it. @@fake [{"text":"done"}]' };
  const steps = [{ hold: 'go' }, { text: JSON.stringify({ tasks: [task] }) }];
  const { id } = await submit(engine, engine.repo.root, `Plan it. @@fake ${JSON.stringify(steps)}`);
  await engine.until('the turn', () => engine.store.journal.recent(1, { kinds: ['turn.started'] })[0]);
  const pausing = engine.engine.pause(id, 'a look', person);
  const resuming = engine.engine.resume(id, undefined, person);
  await Promise.all([pausing, resuming]);
  await engine.release('go');
  expect((await over(engine, id)).state).toBe('done');
});
