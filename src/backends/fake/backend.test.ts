import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LiveSession, MemoryBook, openSpec } from '../../../test/support/backend-session.ts';
import { leftovers } from '../../../test/support/leftovers.ts';
import { COMPILE_CACHE, environmentFor, type TempDir, tempDir } from '../../../test/support/temp.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { until } from '../../base/wait.ts';
import { localHost } from '../../hosts/local.ts';
import { type Backend, type BackendEvent, CAPABILITIES, type Capability } from '../backend.ts';
import { createFakeBackend } from './backend.ts';

let dir: TempDir;
let book: MemoryBook;
let backends: Backend[];

beforeEach(async () => {
  dir = await tempDir();
  book = new MemoryBook();
  backends = [];
  await mkdir(join(dir.path, 'work'));
  await mkdir(join(dir.path, 'control'));
});

afterEach(async () => {
  await Promise.all(backends.map((backend) => backend.close(200)));
  await dir[Symbol.asyncDispose]();
});

function makeBackend(
  config: Readonly<Record<string, unknown>> = {},
  env: Readonly<Record<string, string>> = {},
): Backend {
  const backend = createFakeBackend({
    id: 'fake',
    settings: { config, env: { ...COMPILE_CACHE, GANTRY_FAKE_CONTROL: join(dir.path, 'control'), ...env } },
    host: localHost,
    clock: systemClock,
    log: silentLog,
    book,
    environment: environmentFor(dir.path),
    home: dir.path,
  });
  backends.push(backend);
  return backend;
}

async function open(backend = makeBackend(), more: Parameters<typeof openSpec>[1] = {}): Promise<LiveSession> {
  return new LiveSession(backend, await backend.open(openSpec(join(dir.path, 'work'), more)));
}

const play = (...steps: readonly object[]): string => `@@fake ${JSON.stringify(steps)}`;
const noticesOf = (live: LiveSession): string[] => live.events.of('notice').map((event) => event.text);

describe('a wire that misbehaves', () => {
  test('a line over 10 MB is dropped and told, and the session lives', async () => {
    await using live = await open();
    const end = await live.turn(play({ bigLine: 11 * 1024 * 1024 }, { text: 'after it' }));
    expect(end).toMatchObject({ outcome: 'done', text: 'after it' });
    expect(noticesOf(live)).toEqual([expect.stringMatching(/a line of 115\d+ bytes .* the limit is 10485760/)]);
  });

  test('a line under 10 MB comes whole', async () => {
    await using live = await open();
    await live.turn(play({ bigLine: 9 * 1024 * 1024 }, { text: 'after it' }));
    expect(live.events.of('text').map((event) => event.text.length)).toEqual([9 * 1024 * 1024, 8]);
  });

  test('some lines that are no frames are told, and the session lives', async () => {
    await using live = await open();
    expect(await live.turn(play({ malformed: 20 }, { text: 'after it' }))).toMatchObject({ text: 'after it' });
    expect(noticesOf(live)).toHaveLength(20);
  });

  test('more of them end the session as a failure of the protocol', async () => {
    await using live = await open();
    await live.send(play({ malformed: 21 }, { hold: 'never' }));
    expect(await live.ended()).toMatchObject({ type: 'died', failure: { class: 'protocol' } });
    expect(book.all()).toEqual([]);
    expect(await leftovers(dir.path)).toEqual([]);
  });

  test('a frame that comes twice counts once', async () => {
    await using live = await open();
    await live.turn(play({ say: 'a word', duplicate: true }, { text: 'done' }));
    expect(live.events.of('text').map((event) => event.text)).toEqual(['a word', 'done']);
    expect(noticesOf(live)).toEqual([expect.stringContaining('twice')]);
  });

  test('a word after the end of its turn is told as that, not as a word', async () => {
    await using live = await open();
    await live.turn(play({ text: 'done', late: true }));
    await live.events.first('notice', (event) => event.text.includes('after its turn'));
    expect(live.events.of('text').map((event) => event.text)).toEqual(['done']);
    expect(await live.turn(play({ text: 'next' }))).toMatchObject({ text: 'next' });
  });

  test('an agent that closes its output and lives on is ended', async () => {
    await using live = await open();
    await live.send(play({ disconnect: true, hold: 'never' }));
    await writeFile(join(dir.path, 'control', 'never'), '');
    expect(await live.ended()).toMatchObject({
      type: 'died',
      failure: { class: 'protocol', message: expect.stringContaining('output') },
    });
    expect(await leftovers(dir.path)).toEqual([]);
  });
});

describe('an agent that ends by itself', () => {
  test.each([
    [{ exit: 3 }, { exitCode: 3, signal: null }, /exit code 3/],
    [{ kill: 'SIGKILL' }, { exitCode: null, signal: 'SIGKILL' }, /signal SIGKILL/],
  ])('by %j is a crash that says how', async (step, how, words) => {
    await using live = await open();
    await live.send(play({ spawn: 'ignores-term' }, step));
    const reason = await live.ended();
    expect(reason).toMatchObject({
      type: 'died',
      ...how,
      failure: { class: 'crash', message: expect.stringMatching(words) },
    });
    expect(await leftovers(dir.path)).toEqual([]);
  });

  test('is not ended again when its turn goes on', async () => {
    const backend = makeBackend();
    const first = await open(backend);
    const prompt = first.makePrompt(
      play({ write: { path: 'a', content: 'a' } }, { kill: 'SIGKILL' }, { text: 'survived' }),
    );
    await first.session.prompt(prompt, 'next-turn');
    await first.ended();
    await using second = await open(backend, { from: { type: 'resume', nativeId: first.session.nativeId } });
    expect(await second.turn(prompt)).toMatchObject({ outcome: 'done', text: 'survived' });
    expect(second.events.of('tool-started')).toEqual([]);
  });

  test('killed again and again, its turn comes to its end and nothing is done twice', async () => {
    const backend = makeBackend();
    const steps = [1, 2, 3, 4].map((number) => ({
      silent: 40,
      append: { path: 'lines', content: `${number}\n` },
      usage: { inputTokens: 1 },
    }));
    let live = await open(backend);
    const { nativeId } = live.session;
    const prompt = live.makePrompt(play(...steps, { text: 'all done' }));
    for (;;) {
      await live.session.prompt(prompt, 'next-turn');
      // In the silence of the next step, if this process is fast enough; any other moment is as good.
      await Promise.race([live.events.first('usage'), live.end(prompt)]);
      for (const { record } of book.all()) if (record) process.kill(record.pid, 'SIGKILL');
      await live.ended();
      if (live.events.of('turn-ended').length > 0) break;
      live = await open(backend, { from: { type: 'resume', nativeId } });
    }
    expect(live.events.of('turn-ended')).toMatchObject([
      { promptId: prompt.id, outcome: 'done', text: 'all done', usage: { inputTokens: 4 } },
    ]);
    const lines = (await readFile(join(dir.path, 'work', 'lines'), 'utf8')).split('\n').slice(0, -1);
    expect(lines).toEqual(['1', '2', '3', '4']);
    await using last = await open(backend, { from: { type: 'resume', nativeId } });
    const items = await last.session.transcript();
    expect(items.filter((item) => item.type === 'user')).toHaveLength(1);
    expect(items.filter((item) => item.type === 'tool')).toHaveLength(4);
  });

  test('asks again what nobody had answered', async () => {
    const backend = makeBackend();
    const first = await open(backend);
    const prompt = first.makePrompt(play({ ask: { tool: 'bash', patterns: ['ls'], command: 'ls' } }));
    await first.session.prompt(prompt, 'next-turn');
    const before = await first.events.first('asked');
    for (const { record } of book.all()) if (record) process.kill(record.pid, 'SIGKILL');
    expect(await first.session.answer(before.nativeId, { type: 'deny', reason: 'too late' })).toBe('gone');
    await first.ended();
    await using second = await open(backend, { from: { type: 'resume', nativeId: first.session.nativeId } });
    await second.session.prompt(prompt, 'next-turn');
    const after = await second.events.first('asked');
    expect(after.subject).toEqual(before.subject);
    expect(await second.session.answer(after.nativeId, { type: 'allow', scope: 'once', expiresAt: null })).toBe(
      'taken',
    );
    expect(await second.end(prompt)).toMatchObject({ outcome: 'done', text: 'Done.' });
  });
});

describe('what a turn says of itself', () => {
  test('an error without words gets some', async () => {
    await using live = await open();
    const { outcome, failure } = await live.turn(play({ emptyError: true }));
    expect({ outcome, class: failure?.class }).toEqual({ outcome: 'failed', class: 'model' });
    expect(failure?.message).toMatch(/\w+/);
  });

  test('a success that carries an error is a failure', async () => {
    await using live = await open();
    expect(await live.turn(play({ text: 'fine', successWithError: true }))).toMatchObject({
      outcome: 'failed',
      text: 'fine',
      failure: { message: 'the model answered with an error' },
    });
  });

  test('a limit tells when it ends', async () => {
    await using live = await open();
    const fail = { class: 'quota', message: 'used up', resetAt: 1_900_000_000_000 };
    expect((await live.turn(play({ fail }))).failure).toEqual(fail);
  });

  test('a refused prompt has no turn', async () => {
    await using live = await open();
    const { receipt } = await live.send(play({ refuse: { class: 'auth', message: 'log in first' } }));
    expect(receipt).toEqual({ type: 'refused', failure: { class: 'auth', message: 'log in first', resetAt: null } });
    expect(await live.turn(play({ text: 'well' }))).toMatchObject({ text: 'well' });
    expect(live.events.of('turn-started')).toHaveLength(1);
  });

  test('a script that cannot be read fails the turn and says where', async () => {
    await using live = await open();
    expect(await live.turn('@@fake [{"texd":"a"}]')).toMatchObject({
      outcome: 'failed',
      failure: { class: 'model', message: expect.stringContaining('texd') },
    });
  });

  test('a prompt without a script goes on with the one before it', async () => {
    await using live = await open();
    const { prompt } = await live.send(play({ hold: 'never', text: 'first' }, { text: 'second' }));
    await live.events.first('turn-started');
    await live.session.interrupt();
    expect((await live.end(prompt)).outcome).toBe('interrupted');
    await writeFile(join(dir.path, 'control', 'never'), '');
    expect(await live.turn('go on')).toMatchObject({ outcome: 'done', text: 'second' });
    expect(live.events.of('text').map((event) => event.text)).toEqual(['first', 'second']);
    expect(await live.turn('go on')).toMatchObject({ outcome: 'done', text: 'Done.' });
  });

  test('a rule of the script file is for a session without a script', async () => {
    const file = join(dir.path, 'script.json');
    await writeFile(
      file,
      JSON.stringify({ rules: [{ when: { prompt: 'hello', system: 'polite' }, steps: [{ text: 'good day' }] }] }),
    );
    await using live = await open(makeBackend({}, { GANTRY_FAKE_SCRIPT: file }), { instructions: 'Be polite.' });
    expect(await live.turn('hello')).toMatchObject({ text: 'good day' });
    expect(await live.turn('bye')).toMatchObject({ text: expect.stringContaining('No script matched') });
  });

  test('what it did beside it is told: to-do, compaction, retry, a claim, its last words', async () => {
    await using live = await open();
    const todo = [{ text: 'one', status: 'pending' }];
    await live.turn(play({ todo, compact: true, retry: { message: 'busy', try: 2 } }, { claimDone: false }));
    expect(live.events.of('todo')).toMatchObject([{ items: todo }]);
    expect(live.events.of('compaction').map((event) => event.phase)).toEqual(['started', 'ended']);
    expect(live.events.of('retrying')).toMatchObject([{ try: 2, message: 'busy', nextAt: null }]);
    expect(live.events.of('text').map((event) => event.text)).toEqual(['The task is not done.']);
  });

  test('a question that is withdrawn is gone', async () => {
    await using live = await open();
    const { prompt } = await live.send(play({ ask: { tool: 'bash', command: 'ls' }, withdraw: 'enough' }));
    const { nativeId } = await live.events.first('asked');
    await writeFile(join(dir.path, 'control', 'enough'), '');
    await live.events.first('withdrawn', (event) => event.nativeId === nativeId);
    expect(await live.session.answer(nativeId, { type: 'deny', reason: 'no' })).toBe('gone');
    expect((await live.end(prompt)).outcome).toBe('done');
  });

  test('a step that is for once is passed over later', async () => {
    await using live = await open();
    const script = play({ once: 'trouble', fail: { message: 'trouble' } }, { text: 'fine' });
    expect((await live.turn(script)).outcome).toBe('failed');
    expect(await live.turn(script)).toMatchObject({ outcome: 'done', text: 'fine' });
  });
});

describe('signs of life', () => {
  test('come while a tool is silent, and are missing when the step says so', async () => {
    const backend = makeBackend({ heartbeatMs: 20 });
    await using live = await open(backend);
    await live.events.first('heartbeat');
    const during = (events: readonly BackendEvent[]): string[] => {
      const [from, to] = ['turn-started', 'turn-ended'].map((type) =>
        events.findLastIndex((event) => event.type === type),
      );
      return events.slice(from, to).map((event) => event.type);
    };
    await live.turn(play({ silent: 300 }, { text: 'a' }));
    expect(during(live.events.all)).toContain('heartbeat');
    // Fifty would come in that time; some may before and after it.
    await live.turn(play({ silent: 1_000, heartbeat: false }));
    expect(during(live.events.all).filter((type) => type === 'heartbeat').length).toBeLessThan(25);
  });
});

describe('an agent that does not want to end', () => {
  test('ends, with all that it has started', async () => {
    const live = await open(makeBackend({}, { GANTRY_FAKE_START: 'ignore-everything' }));
    await live.turn(play({ spawn: 'ignores-term' }, { spawn: 'own-group' }, { spawn: 'listens' }));
    expect(await leftovers(dir.path)).toHaveLength(4);
    expect(await live.close(100)).toMatchObject({ exitCode: null, signal: 'SIGKILL', survivors: [] });
    expect(await leftovers(dir.path)).toEqual([]);
  });
});

test('an agent that was stopped by a signal is ended all the same', async () => {
  const live = await open(makeBackend({ heartbeatMs: 20 }));
  const { prompt } = await live.send(play({ write: { path: 'a', content: 'a' } }, { kill: 'SIGSTOP' }));
  await live.events.first('tool-ended');
  expect(await live.close(100)).toMatchObject({ exitCode: null, signal: 'SIGKILL', survivors: [] });
  expect(live.events.of('turn-ended').map((event) => event.promptId)).not.toContain(prompt.id);
});

test('a session whose events nobody reads ends, and says so', async () => {
  const backend = makeBackend();
  const session = await backend.open(openSpec(join(dir.path, 'work')));
  const tools = Array.from({ length: 10_001 }, () => ({ name: 'glob', input: {} }));
  await session.prompt({ id: 'prm_000001', native: {}, text: play({ tools }) }, 'next-turn');
  await until(
    () => (book.all().length === 0 ? true : null),
    { everyMs: 50, limitMs: 60_000 },
    () => new Error('the session goes on'),
  );
  const events = await Array.fromAsync(session.events);
  expect(events.at(-1)).toMatchObject({ type: 'ended', reason: { type: 'died', failure: { class: 'internal' } } });
});

describe('settings', () => {
  test.each(['resume', 'fork', 'interrupt', 'transcript'] as const)(
    'a backend told to do without "%s" refuses it',
    async (name) => {
      const backend = makeBackend({ [name]: false });
      expect(backend.capabilities[name]).toBe(false);
      const refusal = { code: 'unsupported', message: expect.stringContaining(name) };
      if (name === 'resume' || name === 'fork') {
        await expect(open(backend, { from: { type: name, nativeId: 'any' } })).rejects.toMatchObject(refusal);
      } else {
        await using live = await open(backend);
        await expect(live.session[name]()).rejects.toMatchObject(refusal);
      }
    },
  );

  test('one told to do without the others shows none of them', async () => {
    const off: Capability[] = ['steer', 'questions', 'children', 'reasoning', 'cost'];
    const backend = makeBackend(Object.fromEntries(off.map((name) => [name, false])));
    expect(CAPABILITIES.filter((name) => backend.capabilities[name])).toEqual([
      'resume',
      'fork',
      'interrupt',
      'transcript',
      'attach',
    ]);
    await using live = await open(backend);
    const { prompt } = await live.send(
      play({ hold: 'on', reasoning: 'hm', cost: 1 }, { question: { question: 'Why?' } }),
    );
    const steered = live.send(play({ text: 'later' }), 'steer');
    await writeFile(join(dir.path, 'control', 'on'), '');
    expect((await live.end(prompt)).usage.costUsd).toBeNull();
    expect(await live.end((await steered).prompt)).toMatchObject({ text: 'later' });
    expect(await live.turn(play({ child: true, run: { command: 'ls' } }))).toMatchObject({
      outcome: 'failed',
      failure: { class: 'tool' },
    });
    expect(live.events.all.map((event) => event.type)).not.toContain('asked');
    expect(live.events.all.map((event) => event.type)).not.toContain('reasoning');
  });

  test('an unknown one is refused by name', () => {
    expect(() => makeBackend({ resum: false })).toThrow(
      expect.objectContaining({ code: 'bad_config', message: expect.stringContaining('resum') }),
    );
  });

  test('a private profile has a HOME of its own', async () => {
    const backend = createFakeBackend({
      id: 'fake',
      settings: { profile: 'private' },
      host: localHost,
      clock: systemClock,
      log: silentLog,
      book,
      environment: environmentFor('/home/somebody'),
      home: dir.path,
    });
    backends.push(backend);
    await using live = await open(backend);
    await live.turn(play({ env: true }));
    expect(JSON.parse(live.events.of('tool-ended')[0]?.output ?? '')).toMatchObject({ HOME: join(dir.path, 'home') });
  });
});
