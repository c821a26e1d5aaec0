import { expect, test } from 'vitest';
import { bench, submitSteps } from '../../../test/support/engine-bench.ts';
import { noteMissing } from './capabilities.ts';

test('what was not seen of a backend is not used, until another version of its program is there', async () => {
  await using test = await bench();
  const { store } = test;
  const shown = async () => (await test.engine.queries.backends()).find(({ id }) => id === 'fake');
  const before = await shown();
  expect(before?.capabilities).toMatchObject({ resume: true, steer: true });

  store.commit((tx) => noteMissing(tx, 'fake', { version: before?.version ?? null, capabilities: ['resume'] }));
  expect((await shown())?.capabilities).toMatchObject({ resume: false, steer: true });
  const { id } = await submitSteps(test, [{ hold: 'go', text: 'end' }]);
  const session = await test.until('the work', () => store.read.sessions.list({ state: 'running' })[0]);
  await test.restart();
  await test.release('go');
  await test.until('the end', () => test.store.read.requests.need(id).state === 'done');
  const again = test.store.read.sessions.list({})[0];
  expect(again?.id).toBe(session.id);
  expect(again?.nativeId).not.toBe(session.nativeId);

  test.store.commit((tx) => noteMissing(tx, 'fake', { version: '0.0.1', capabilities: ['resume'] }));
  await test.restart();
  await shown();
  await test.until('that it is forgotten', () => test.store.read.meta.get('backend.missing:fake') === null);
});
