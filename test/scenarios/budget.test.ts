import { readdir } from 'node:fs/promises';
import { describe, expect } from 'vitest';
import type { Request } from '../../src/contract/request.ts';
import { addUsage, NO_USAGE, type Usage } from '../../src/contract/usage.ts';
import { scenario } from '../support/scenario.ts';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import { gone, type World } from '../support/world.ts';

const COUNTED = { usage: { input: 100, output: 10 } };
const LITTLE = { usage: { input: 10, output: 1 } };

const toolsEnded = (world: World, count: number): Promise<true> =>
  world.until(`the end of ${count} tools`, () => {
    return world.journal.facts.filter(({ kind }) => kind === 'tool.ended').length >= count;
  });

const sessionsOf = (world: World, requestId: string) => {
  const { attempts, sessions } = world.journal.view;
  const own = [...attempts.values()].filter((attempt) => attempt.requestId === requestId);
  const ids = new Set(own.map(({ sessionId }) => sessionId));
  return { attempts: own, sessions: [...sessions.values()].filter(({ id }) => ids.has(id)) };
};

const sumOf = (rows: readonly { readonly usage: Usage }[]): Usage =>
  rows.reduce((sum, { usage }) => addUsage(sum, usage), NO_USAGE);

/** At the end the request, its tasks, attempts and sessions, and the day's row have what the model has counted. */
async function expectCounted(world: World, id: Request['id'], answers: number): Promise<void> {
  const { models, backend } = world.agent;
  const request = await world.over(id);
  expect(request).toMatchObject({ state: 'done' });
  const { input, output } = await world.agent.spent();
  expect(input).toBeGreaterThanOrEqual(answers * COUNTED.usage.input);
  const usd = (input * models.usd.input + output * models.usd.output) / 1_000_000;
  const whole = { inputTokens: input, outputTokens: output, costUsd: expect.closeTo(usd, 9) };
  const { attempts, sessions } = sessionsOf(world, id);
  expect(request.usage, 'request').toMatchObject(whole);
  expect((await world.task(id)).usage, 'task').toMatchObject(whole);
  expect(sumOf(attempts), 'attempts').toMatchObject(whole);
  expect(sumOf(sessions), 'sessions').toMatchObject(whole);
  const { rows } = await world.call('usage.summary', { since: request.createdAt });
  const { costUsd, ...tokens } = whole;
  expect(rows.filter(({ model }) => model === models.priced)).toEqual([
    expect.objectContaining({ backend, role: 'worker', unpriced: 0, pricedUsd: costUsd, ...tokens }),
  ]);
}

describe('what work used (C4)', () => {
  const known = {
    config: ({ backend, models }: ScriptedAgent) => ({
      ...(backend === 'fake' && {
        prices: { date: '2026-01-31', source: 'a price list', models: { [models.priced]: models.usd } },
      }),
    }),
    deaths: 1,
  };

  scenario('adds up to what the model has counted, over a pause and a kill of the agent', known, async (world) => {
    const { id } = await world.submitOne(
      [
        { ...COUNTED, run: 'true' },
        { hold: 'paused', ...COUNTED, run: 'true' },
        { hold: 'killed', ...COUNTED, run: 'true' },
        { ...COUNTED, text: 'end' },
      ],
      { model: world.agent.models.priced },
    );
    await toolsEnded(world, 1);
    expect(await world.gantry(['pause', id])).toMatchObject({ code: 0 });
    await world.agent.release('paused');
    expect(await world.gantry(['resume', id])).toMatchObject({ code: 0 });

    await toolsEnded(world, 2);
    const [session] = sessionsOf(world, id).sessions;
    const pid = await world.agent.pidOf(session?.nativeId ?? '');
    process.kill(pid, 'SIGKILL');
    await gone(pid);
    await world.until('the next attempt', () =>
      sessionsOf(world, id).attempts.some(({ number, state }) => number === 2 && state === 'working'),
    );
    await world.agent.release('killed');
    await expectCounted(world, id, 4);
  });

  const killed = { ...known, deaths: 0, not: { opencode: 'its server lives on, and with it the count' } };
  scenario('adds up over a kill of the daemon', killed, async (world) => {
    const { id } = await world.submitOne(
      [
        { ...COUNTED, run: 'true' },
        { hold: 'down', ...COUNTED, run: 'true' },
        { ...COUNTED, text: 'end' },
      ],
      { model: world.agent.models.priced },
    );
    await toolsEnded(world, 1);
    await world.kill();
    await world.up();
    await world.agent.release('down');
    await expectCounted(world, id, 3);
  });

  scenario('is not counted again for the copy of a conversation', known, async (world) => {
    const { models, backend, play } = world.agent;
    const { usage } = COUNTED;
    const turn = async (agent: string): Promise<void> => {
      const { id } = await world.call('messages.send', { to: agent, text: play({ ...COUNTED, text: 'counted' }) });
      await world.until(`${id} is seen`, ({ messages }) => messages.get(id)?.state === 'seen');
    };
    const role = { role: 'worker', model: models.priced };
    const first = await world.call('agents.start', { agent: 'first', project: world.project.root, ...role });
    await turn(first.agent);
    await turn(first.agent);
    const copy = await world.call('agents.fork', { agent: first.agent });
    await turn(copy.agent);
    await turn(first.agent);
    for (const { agent } of [copy, first]) await world.call('agents.stop', { agent });
    const used = ({ sessionId }: typeof first) => world.journal.view.sessions.get(sessionId)?.usage;
    expect(used(first)).toMatchObject({ inputTokens: 3 * usage.input, outputTokens: 3 * usage.output });
    expect(used(copy)).toMatchObject({ inputTokens: usage.input, outputTokens: usage.output });
    const { input, output } = await world.agent.spent();
    const since = world.journal.view.sessions.get(first.sessionId)?.createdAt;
    const { rows } = await world.call('usage.summary', { since });
    const pricedUsd = expect.closeTo((input * models.usd.input + output * models.usd.output) / 1_000_000, 9);
    const whole = { sessions: 2, unpriced: 0, inputTokens: input, outputTokens: output, pricedUsd };
    expect(rows).toEqual([expect.objectContaining({ backend, role: 'worker', model: models.priced, ...whole })]);
  });

  scenario('at an unknown price has an unknown cost, never none', {}, async (world) => {
    const { id } = await world.submitOne([{ ...COUNTED, text: 'end' }], { model: world.agent.models.unpriced });
    const { usage } = await world.over(id);
    expect(usage).toMatchObject({ inputTokens: 100, outputTokens: 10, costUsd: null });
    expect((await world.gantry(['show', id])).stdout).toContain('cost unknown');
  });
});

describe('a budget that is crossed (C4)', () => {
  const thrifty = { config: { roles: { saver: { budget: { tokens: 250 } } } } };

  scenario(
    'stops the turn between two requests and all that would begin, and lets the same task go on when it is raised',
    thrifty,
    async (world) => {
      const write = (path: string) => ({ write: { path, content: `${path}\n` } });
      const { id } = await world.submitOne(
        [
          { ...COUNTED, ...write('a.txt') },
          { ...COUNTED, ...write('b.txt') },
          { ...COUNTED, ...write('c.txt') },
          { hold: 'raised', ...LITTLE, ...write('d.txt') },
          { ...LITTLE, text: 'end' },
        ],
        { role: 'saver' },
      );
      const asked = await world.until('the approval', ({ approvals }) =>
        [...approvals.values()].find(({ state }) => state === 'pending'),
      );
      const task = await world.task(id, 'T1', 'deferred');
      expect(task.cause).toContain(`gantry approve ${asked.id}`);
      const paused = await world.until('the pause', () =>
        sessionsOf(world, id).sessions.find(({ state }) => state === 'paused'),
      );
      const files = ['a.txt', 'b.txt', 'c.txt'];
      expect((await readdir(paused.directory)).filter((name) => name.endsWith('.txt'))).toEqual(files);

      const other = await world.submitOne([{ ...LITTLE, text: 'other' }], { role: 'saver' });
      const waiting = await world.task(other.id, 'T1', 'ready');
      const made = (await world.agent.requests()).length;
      const explained = await world.gantry(['explain', waiting.id]);
      expect(explained.stdout).toContain("budget: 330 tokens of the role saver's 250 tokens are spent");
      const inbox = await world.gantry(['approvals']);
      expect(inbox.stdout).toContain("raise the role saver's limit of 250 tokens");
      expect(await world.agent.requests()).toHaveLength(made);

      await world.agent.release('raised');
      expect(await world.gantry(['approve', asked.id])).toMatchObject({ code: 0 });
      const request = await world.over(id);
      expect(request.result?.filesChanged.map(({ path }) => path)).toEqual([...files, 'd.txt']);
      expect(await world.over(other.id)).toMatchObject({ state: 'done' });
      const { attempts, sessions } = sessionsOf(world, id);
      expect(attempts.map(({ state, workspace }) => [state, workspace])).toEqual([
        ['failed', paused.directory],
        ['done', paused.directory],
      ]);
      expect(sessions.map(({ nativeId }) => nativeId)).toEqual([paused.nativeId]);
    },
  );

  const once = {
    config: { roles: { saver: { budget: { tokens: 100 } } } },
    not: { real: 'how the agent works is no part of it' },
  };
  scenario(
    'lets an agent without a task end its turn, and take the next message when it is raised',
    once,
    async (world) => {
      const send = (words: string) =>
        world.call('messages.send', {
          to: 'thrifty',
          text: `${words} ${world.agent.play({ ...COUNTED, text: 'end' })}`,
        });
      const inState = (id: string, state: string) =>
        world.until(`${id} is ${state}`, ({ messages }) => messages.get(id)?.state === state);
      await world.call('agents.start', { agent: 'thrifty', project: world.project.root, role: 'saver' });
      await inState((await send('One.')).id, 'seen');
      const { id } = await send('Two.');
      await world.until('the alert', () => world.journal.facts.some(({ kind }) => kind === 'alert.opened'));
      expect((await world.gantry(['status'])).stdout).toContain("110 tokens of the role saver's 100 tokens are spent");
      expect(world.journal.view.messages.get(id)?.state).toBe('queued');
      await world.configure({ roles: { saver: { budget: { tokens: 200 } } } });
      await inState(id, 'seen');
      await world.until('the end of the alert', () => world.journal.facts.some(({ kind }) => kind === 'alert.closed'));
      await world.call('agents.stop', { agent: 'thrifty' });
    },
  );
});
