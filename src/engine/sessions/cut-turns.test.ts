import { expect, it } from 'vitest';
import { type Bench, bench, person, submit } from '../../../test/support/engine-bench.ts';

const TOKENS = { inputTokens: 100, outputTokens: 20, reasoningTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };
const USED = { ...TOKENS, costUsd: 0.5 };
/** Says what it used, and then waits for ever. */
const HELD = `@@fake ${JSON.stringify([
  { usage: USED, write: { path: 'a', content: 'a' } },
  { hold: 'never', text: 'end' },
])}`;

const inTurn = (test: Bench, purpose: 'standing' | 'planner'): Promise<true> =>
  test.until('what it used', () =>
    test.store.journal
      .since(0, { kinds: ['usage'], limit: 10 })
      .facts.some(
        ({ sessionId }) => sessionId !== null && test.store.read.sessions.need(sessionId).purpose === purpose,
      ),
  );

it('counts what the turn of a standing agent used that a stop cut', async () => {
  await using test = await bench();
  const { agent, sessionId } = await test.engine.agents.start({ agent: 'w1', directory: test.repo.root }, person);
  test.engine.send({ to: agent, text: HELD, mode: 'next-turn' }, person);
  await inTurn(test, 'standing');
  await test.engine.agents.stop({ agent }, person);
  expect(test.store.read.sessions.need(sessionId).usage).toMatchObject(USED);
});

it('counts what the turn of a standing agent used once, when its program died under it', async () => {
  await using test = await bench();
  const { agent, sessionId } = await test.engine.agents.start({ agent: 'w1', directory: test.repo.root }, person);
  const steps = [
    { usage: USED, write: { path: 'a', content: 'a' } },
    { once: 'death', kill: 'SIGKILL' },
    { text: 'end' },
  ];
  const { id } = test.engine.send({ to: agent, text: `@@fake ${JSON.stringify(steps)}`, mode: 'next-turn' }, person);
  await test.until('it is seen', () => test.store.read.messages.need(id).state === 'seen');
  await test.until('its use', () => test.store.read.sessions.need(sessionId).usage.inputTokens > 0);
  expect(test.store.read.sessions.need(sessionId).usage).toMatchObject(USED);
});

it('counts what a single prompt used whose time was over', async () => {
  await using test = await bench({ policy: { default: 'allow', rules: [] } });
  const { sessionId } = await test.engine.exec({ prompt: HELD, directory: test.repo.root, timeoutMs: 10_000 });
  const result = await test.engine.execResult(sessionId, 60_000);
  expect(result).toMatchObject({ state: 'failed', failure: { class: 'timeout' }, usage: USED });
});

it('counts what the turn of a planner used that a cancellation cut: for its request, and for the day', async () => {
  await using test = await bench({ budgets: { day: { usd: 10 } } });
  const { id } = await submit(test, test.repo.root, `Plan it. ${HELD}`);
  await inTurn(test, 'planner');
  await test.engine.cancel(id, undefined, person);
  await test.until('its use', () => test.store.read.requests.need(id).usage.inputTokens > 0);
  expect(test.store.read.sessions.list({ purpose: 'planner' })).toMatchObject([{ usage: USED }]);
  expect(test.store.read.requests.need(id)).toMatchObject({ state: 'cancelled', usage: USED });
  expect(test.engine.queries.budgets()).toMatchObject([{ scope: 'day', spent: 0.5 }]);
});
