import { expect, test } from 'vitest';
import { bench, over, submitSteps } from '../../../test/support/engine-bench.ts';

/** Breaks so often, like a bug of Gantry's own that some data meets. */
function breaking(times: number): () => void {
  let left = times;
  return () => {
    left -= 1;
    if (left >= 0) throw new TypeError('x is undefined');
  };
}

test('a run that breaks inside of Gantry is a failed attempt with a class and a cause, and the next one goes on', async () => {
  const snap = breaking(1);
  const agentEnvironment = (): Readonly<Record<string, string>> => {
    snap();
    return {};
  };
  await using engine = await bench({ broken: { agentEnvironment } });
  const { id } = await submitSteps(engine, [{ text: 'end' }]);
  expect((await over(engine, id)).state).toBe('done');
  const [first, second] = engine.store.read.attempts.list({ requestId: id });
  expect(first).toMatchObject({ state: 'failed', failure: { class: 'internal', message: 'x is undefined' } });
  expect(second?.state).toBe('done');
});

test('one that always breaks is left to a person when the attempts are used up', async () => {
  const agentEnvironment = (): never => {
    throw new TypeError('x is undefined');
  };
  await using engine = await bench({ broken: { agentEnvironment }, limits: { maxAttempts: 2 } });
  const { id } = await submitSteps(engine, [{ text: 'end' }]);
  const task = await engine.until(
    'a person',
    () => engine.store.read.tasks.list({ requestId: id, state: 'waiting' })[0],
  );
  expect(task.cause).toMatch(/^2 attempts failed, the last with internal: x is undefined/);
  await engine.until('a free agent', () => engine.store.read.agents.list({ state: 'idle' })[0]);
});

test('what breaks while a failure is settled does not keep the attempt from its end', async () => {
  const snap = breaking(1);
  const random = (): number => {
    snap();
    return 0;
  };
  await using engine = await bench({ broken: { random } });
  const { id } = await submitSteps(engine, [{ once: 'died', exit: 3 }, { text: 'end' }]);
  expect((await over(engine, id)).state).toBe('done');
  const [first] = engine.store.read.attempts.list({ requestId: id });
  expect(first?.failure?.class).toBe('internal');
  expect(first?.failure?.message).toMatch(/^x is undefined, when it was settled that it failed \(crash: /);
});
