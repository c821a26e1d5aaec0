import { expect, test } from 'vitest';
import { bench, over, person, submitSteps } from '../../../test/support/engine-bench.ts';
import { silentLog } from '../../base/log.ts';
import { deferred } from '../../base/wait.ts';

/** An engine whose disk can be full for so many commits. */
async function filling({ random = (): number => 0, log = silentLog } = {}) {
  let left = 0;
  const onCommit = (): 'disk_full' | null => {
    if (left === 0) return null;
    left -= 1;
    return 'disk_full';
  };
  const engine = await bench({ faults: { onCommit }, broken: { random, log } });
  const fill = (commits: number): true => {
    left = commits;
    return true;
  };
  return { engine, fill, isFull: () => left > 0 };
}

test('an agent whose work ended on a full disk is free as soon as there is room', async () => {
  const { engine, fill, isFull } = await filling();
  await using _ = engine;
  const { id } = await submitSteps(engine, [{ text: 'end' }]);
  const agent = await engine.until('the end of its session', () => {
    const [session] = engine.store.read.sessions.list({ state: 'stopped' });
    return session !== undefined && fill(1) && engine.store.read.agents.list({ state: 'working' })[0];
  });
  await engine.until('a free agent', () => engine.store.read.agents.need(agent.id).state === 'idle');
  expect(isFull()).toBe(false);
  expect((await over(engine, id)).state).toBe('done');
});

test('an agent that stood by and died on a full disk stands by again', async () => {
  const { engine, fill, isFull } = await filling();
  await using _ = engine;
  const started = await engine.engine.agents.start({ agent: 'w1', directory: engine.repo.root }, person);
  const opened = (await engine.agentLog()).find((line) => line.kind === 'open');
  fill(3);
  process.kill(opened?.pid ?? expect.unreachable('no program was opened'), 'SIGKILL');
  await engine.until('another life', () => {
    const { state, activity } = engine.store.read.sessions.need(started.sessionId);
    return !isFull() && state === 'running' && activity === 'idle';
  });
  expect((await engine.agentLog()).filter((line) => line.kind === 'open')).toHaveLength(2);
});

test('an agent that stands by no longer for want of room does so again when there is some', async () => {
  const givenUp = deferred<void>();
  const error = (_fields: object, words: string): void => {
    if (words === 'an agent does not stand by any more') givenUp.resolve();
  };
  const { engine, fill } = await filling({ log: { ...silentLog, error } });
  await using _ = engine;
  const { sessionId } = await engine.engine.agents.start({ agent: 'w1', directory: engine.repo.root }, person);
  const opened = (await engine.agentLog()).find((line) => line.kind === 'open');
  fill(Number.POSITIVE_INFINITY);
  process.kill(opened?.pid ?? expect.unreachable('no program was opened'), 'SIGKILL');
  await givenUp.promise;
  const { journal } = engine.store;
  const full = journal.head();
  fill(0);
  await engine.until('another life', () =>
    journal
      .since(full, { kinds: ['session.changed'] })
      .facts.some(
        ({ kind, data }) =>
          kind === 'session.changed' &&
          data.row.id === sessionId &&
          data.row.state === 'running' &&
          data.row.activity === 'idle',
      ),
  );
});

test('an attempt that fails on a full disk has an end as soon as there is room', async () => {
  const { engine, fill, isFull } = await filling();
  await using _ = engine;
  const { id } = await submitSteps(engine, [{ hold: 'go' }, { text: 'end' }]);
  await engine.until('work', () => engine.store.read.attempts.list({ requestId: id, state: 'working' })[0]);
  const opened = (await engine.agentLog()).find((line) => line.kind === 'open');
  fill(4);
  process.kill(opened?.pid ?? expect.unreachable('no program was opened'), 'SIGKILL');
  await engine.release('go');
  expect((await over(engine, id)).state).toBe('done');
  expect(isFull()).toBe(false);
  const attempts = engine.store.read.attempts.list({ requestId: id });
  expect(attempts.map(({ state, failure }) => [state, failure?.class ?? null])).toEqual([
    ['failed', 'crash'],
    ['done', null],
  ]);
});

test('an attempt that waits for room on a full disk lets the daemon end, and goes on in the next one', async () => {
  const refused = deferred<void>();
  const random = (): number => {
    // It is asked for within the commit, which then fails.
    refused.resolve();
    return 0;
  };
  const { engine, fill } = await filling({ random });
  await using _ = engine;
  const { id } = await submitSteps(engine, [{ hold: 'go' }, { text: 'end' }]);
  await engine.until('work', () => engine.store.read.attempts.list({ requestId: id, state: 'working' })[0]);
  const opened = (await engine.agentLog()).find((line) => line.kind === 'open');
  fill(Number.POSITIVE_INFINITY);
  process.kill(opened?.pid ?? expect.unreachable('no program was opened'), 'SIGKILL');
  await refused.promise;
  await engine.engine.close();
  fill(0);
  await engine.release('go');
  await engine.restart();
  expect((await over(engine, id)).state).toBe('done');
  expect(engine.store.read.attempts.list({ requestId: id }).map(({ resumes }) => resumes)).toEqual([1]);
});

test('a plan that finds a full disk is carried out as soon as there is room', async () => {
  const { engine, fill, isFull } = await filling();
  await using _ = engine;
  const filled = engine.until('a request', () => engine.store.read.requests.list({ state: 'planning' })[0] && fill(2));
  const { id } = await submitSteps(engine, [{ text: 'end' }]);
  await filled;
  expect((await over(engine, id)).state).toBe('done');
  expect(isFull()).toBe(false);
});

test('a prompt outside of any plan that ends on a full disk has its answer as soon as there is room', async () => {
  const { engine, fill, isFull } = await filling();
  await using _ = engine;
  const prompt = `Say it. @@fake ${JSON.stringify([{ text: 'the end' }])}`;
  const filled = engine.until('its end', () => engine.store.read.sessions.list({ state: 'stopped' })[0] && fill(2));
  const { sessionId } = await engine.engine.exec({ prompt, directory: engine.repo.root, timeoutMs: 60_000 });
  await filled;
  expect(await engine.engine.execResult(sessionId, 60_000)).toMatchObject({ state: 'done', content: 'the end' });
  expect(isFull()).toBe(false);
});
