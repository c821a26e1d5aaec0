import { describe, expect, it } from 'vitest';
import { type Bench, bench, over, person, submit } from '../../../test/support/engine-bench.ts';
import { deferred } from '../../base/wait.ts';
import { AppError } from '../../contract/errors.ts';
import type { RequestId } from '../../contract/ids.ts';
import type { Host, ProcessRecord } from '../../hosts/host.ts';
import { localHost } from '../../hosts/local.ts';

type Verb = 'freeze' | 'thaw';

/** A host that stops programs with signals, and does with a word whatever a test wants. */
function stoppingHost(instead: { [V in Verb]?: (signal: () => void) => Promise<void> }) {
  const said: Verb[] = [];
  const started: ProcessRecord[] = [];
  const say = (verb: Verb) => async (record: ProcessRecord) => {
    said.push(verb);
    const signal = () => {
      try {
        process.kill(-record.pid, verb === 'freeze' ? 'SIGSTOP' : 'SIGCONT');
      } catch (error) {
        throw new AppError('internal', `${verb}: there is no container`, { cause: error });
      }
    };
    await (instead[verb] ?? (async (act) => act()))(signal);
  };
  const start: Host['start'] = async (spec) => {
    const made = await localHost.start(spec);
    started.push(made.record);
    return made;
  };
  const host: Host = { ...localHost, start, freeze: say('freeze'), thaw: say('thaw') };
  return { host, said, started };
}

async function stage(instead: Parameters<typeof stoppingHost>[0] = {}) {
  const { host, said, started } = stoppingHost(instead);
  const test = await bench({
    broken: { hostFor: async () => host },
    policy: { default: 'ask', rules: [] },
    roles: { contained: { isolation: 'container' } },
  });
  const begin = async (...steps: readonly object[]): Promise<RequestId> => {
    const text = `Do it. @@fake ${JSON.stringify(steps)}`;
    const { id } = await submit(test, test.repo.root, text, { isSingleTask: true, isolation: 'container' });
    await test.until('the tool', () => toolsOf(test, id)[0]);
    return id;
  };
  const noneRuns = async (): Promise<void> => {
    expect(started.length).toBeGreaterThan(0);
    expect(await Promise.all(started.map(localHost.isAlive))).toEqual(started.map(() => false));
  };
  return { test, said, started, begin, noneRuns };
}

const sessions = ({ store }: Bench) => store.read.sessions.list({}).map(({ state, cause }) => [state, cause]);
const resumes = ({ store }: Bench, requestId: RequestId) =>
  store.read.attempts.list({ requestId }).map((attempt) => attempt.resumes);
const toolsOf = ({ store }: Bench, requestId: RequestId) =>
  store.journal.since(0, { requestId, kinds: ['tool.ended'], limit: 9 }).facts;
const write = { write: { path: 'a.txt', content: 'a' } };
const held = { once: 'wait', hold: 'go' };
const broken = async (): Promise<void> => {
  throw new AppError('internal', 'the engine is gone');
};

describe('a program that is frozen for a pause', () => {
  it('takes an answer that was given meanwhile when it goes on', async () => {
    const { test, begin, said } = await stage();
    await using _ = test;
    const id = await begin(write, { run: { command: 'touch b.txt' } }, { text: 'done' });
    const asked = await test.until('the question', () => test.store.read.approvals.list({ state: 'pending' })[0]);
    await test.engine.pause(id, 'a look', person);
    expect(sessions(test)).toEqual([['paused', 'frozen: a look']]);
    const mail = { to: asked.agent ?? '', text: 'look here', mode: 'next-turn' } as const;
    const why = test.engine.explain(test.engine.send(mail, person).id);
    expect(why.lines).toEqual([`its request is paused: gantry resume ${id}`]);
    expect(test.engine.decide(asked.id, { type: 'allow', scope: 'once', expiresAt: null }, person).state).toBe(
      'allowed',
    );
    expect(toolsOf(test, id)).toHaveLength(1);
    await test.engine.resume(id, undefined, person);
    const { state, result } = await over(test, id);
    expect([state, result?.filesChanged.map(({ path }) => path)]).toEqual(['done', ['a.txt', 'b.txt']]);
    expect([said, resumes(test, id)]).toEqual([['freeze', 'thaw'], [0]]);
  });

  it('is ended where it cannot be frozen, and its conversation goes on later', async () => {
    const { test, begin, noneRuns } = await stage({ freeze: broken });
    await using _ = test;
    const id = await begin(write, held, { text: 'done' });
    await test.engine.pause(id, 'a look', person);
    expect(sessions(test)).toEqual([
      ['paused', expect.stringMatching(/^a look; .*not be frozen \(the engine is gone\)/)],
    ]);
    await noneRuns();
    await test.release('go');
    await test.engine.resume(id, undefined, person);
    expect((await over(test, id)).state).toBe('done');
    expect(resumes(test, id)).toEqual([1]);
  });

  it.each([
    ['its engine is gone', broken],
    [
      'its container is gone',
      async (signal: () => void): Promise<void> => {
        signal();
        throw new AppError('internal', 'there is no container');
      },
    ],
  ])('gives way to a new one where it does not go on: %s', async (_name, thaw) => {
    const { test, begin, noneRuns } = await stage({ thaw });
    await using _ = test;
    const id = await begin(write, held, { text: 'done' });
    await test.engine.pause(id, 'a look', person);
    await test.release('go');
    await test.engine.resume(id, undefined, person);
    expect((await over(test, id)).state).toBe('done');
    expect(resumes(test, id)).toEqual([1]);
    await noneRuns();
  });

  it('gives way to a new one where it has died', async () => {
    const { test, begin, started } = await stage();
    await using _ = test;
    const id = await begin(write, held, { text: 'done' });
    await test.engine.pause(id, 'a look', person);
    for (const { pid } of started) process.kill(pid, 'SIGKILL');
    await test.until('its end', () => sessions(test)[0]?.[0] === 'lost');
    await test.release('go');
    await test.engine.resume(id, undefined, person);
    expect((await over(test, id)).state).toBe('done');
    expect(resumes(test, id)).toEqual([1]);
  });

  it('is thawed to be ended by a cancel, also one that comes while it is being frozen', async () => {
    const entered = deferred<void>();
    const mayGo = deferred<void>();
    let isSlow = false;
    const freeze = async (signal: () => void): Promise<void> => {
      if (isSlow) {
        entered.resolve();
        await mayGo.promise;
      }
      signal();
    };
    const { test, begin, said, noneRuns } = await stage({ freeze });
    await using _ = test;
    const first = await begin(write, { hold: 'never' });
    await test.engine.pause(first, 'a look', person);
    await test.engine.cancel(first, 'no need', person);
    expect([test.store.read.requests.need(first).state, said]).toEqual(['cancelled', ['freeze', 'thaw']]);
    await noneRuns();
    isSlow = true;
    const second = await begin(write, { hold: 'never' });
    const pausing = test.engine.pause(second, 'a look', person);
    await entered.promise;
    const cancelling = test.engine.cancel(second, 'no need', person);
    mayGo.resolve();
    await Promise.all([pausing, cancelling]);
    expect([test.store.read.requests.need(second).state, said.length]).toEqual(['cancelled', 4]);
    await noneRuns();
  });

  it('keeps no other task of its request from its end meanwhile, nor from going on', async () => {
    const entered = deferred<void>();
    const mayGo = deferred<void>();
    const freeze = async (signal: () => void): Promise<void> => {
      entered.resolve();
      await mayGo.promise;
      signal();
    };
    const { test } = await stage({ freeze });
    await using _ = test;
    const tasks = ['contained', 'worker'].map((role, i) => {
      const steps = [{ write: { path: `${role}.txt`, content: 'a' } }, { once: role, hold: 'go' }, { text: 'done' }];
      return { task_id: `T${i + 1}`, title: role, role, description: `Do it. @@fake ${JSON.stringify(steps)}` };
    });
    const planned = JSON.stringify([{ text: JSON.stringify({ tasks }) }]);
    const { id } = await submit(test, test.repo.root, `Plan it. @@fake ${planned}`);
    await test.until('both tools', () => toolsOf(test, id).length === 2);
    const pausing = test.engine.pause(id, 'a look', person);
    await entered.promise;
    await test.until('the end of the other', () => sessions(test).some(([, cause]) => cause === 'a look'));
    const resuming = test.engine.resume(id, undefined, person);
    mayGo.resolve();
    await Promise.all([pausing, resuming]);
    await test.release('go');
    expect((await over(test, id)).state).toBe('done');
    expect(resumes(test, id).sort()).toEqual([0, 1]);
  });

  it('is frozen again by a pause that comes while it is being thawed', async () => {
    const entered = deferred<void>();
    const mayGo = deferred<void>();
    const thaw = async (signal: () => void): Promise<void> => {
      entered.resolve();
      await mayGo.promise;
      signal();
    };
    const { test, begin, said } = await stage({ thaw });
    await using _ = test;
    const id = await begin(write, held, { text: 'done' });
    await test.engine.pause(id, 'a look', person);
    const resuming = test.engine.resume(id, undefined, person);
    await entered.promise;
    const pausing = test.engine.pause(id, 'another', person);
    mayGo.resolve();
    await Promise.all([resuming, pausing]);
    expect(sessions(test)).toEqual([['paused', 'frozen: another']]);
    await test.release('go');
    await test.engine.resume(id, undefined, person);
    expect((await over(test, id)).state).toBe('done');
    expect([said, resumes(test, id)]).toEqual([['freeze', 'thaw', 'freeze', 'thaw'], [0]]);
  });

  it('is ended with the daemon, and goes on in another one', async () => {
    const { test, begin, said, noneRuns } = await stage();
    await using _ = test;
    const id = await begin(write, held, { text: 'done' });
    await test.engine.pause(id, 'a look', person);
    await test.restart();
    await noneRuns();
    expect([test.store.read.requests.need(id).state, said]).toEqual(['paused', ['freeze', 'thaw']]);
    await test.release('go');
    await test.engine.resume(id, undefined, person);
    expect((await over(test, id)).state).toBe('done');
    expect(resumes(test, id)).toEqual([1]);
  });
});
