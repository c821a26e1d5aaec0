import { readFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { profileWith } from '../../../test/support/backend-session.ts';
import { hashOfTree, leftovers } from '../../../test/support/leftovers.ts';
import { type OpencodeBench, opencodeBench, scriptedConfig, scriptedPrompt } from '../../../test/support/opencode.ts';
import { systemClock } from '../../base/clock.ts';
import { newId } from '../../base/ids.ts';
import { deferred } from '../../base/wait.ts';
import type { Backend } from '../backend.ts';
import { connectHttp } from './http.ts';

const ENV_MCP = fileURLToPath(new URL('../../../test/fixtures/opencode/env-mcp.mjs', import.meta.url));
const local = { type: 'local', command: [process.execPath, ENV_MCP] } as const;
const bash = (command: string): object => ({ tools: [{ name: 'bash', input: { command, description: 'of a test' } }] });
const task = (agent: string, prompt: string): object => ({
  tools: [{ name: 'task', input: { description: 'a part', prompt, subagent_type: agent } }],
});
const heard = { text: 'heard: {{lastToolOutput}}' };
const env = ['-c', 'printf \'%s\\n\' "[$OPENCODE_SERVER_PASSWORD$OPENCODE_CONFIG_CONTENT$SOME_API_KEY]" "$OF_SESSION"'];
const showEnv = `sh ${env.map((word) => (word === '-c' ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ')}`;

let bench: OpencodeBench;
let backend: Backend;

beforeAll(async () => {
  bench = await opencodeBench();
  backend = bench.backend({
    config: { ...scriptedConfig(`${bench.model.url}`), mcp: { configured: local } },
    env: { SOME_API_KEY: 'hush' },
  });
});
afterAll(() => bench[Symbol.asyncDispose]());

/** The server's own address and password, as the book has them. */
function serverOf({ book }: OpencodeBench): ReturnType<typeof connectHttp> {
  const { url, password } = book.all()[0]?.data ?? {};
  return connectHttp(String(url), String(password));
}

test('the agent’s shell sees no secret of the server and has its own session’s variables, also in a sub-agent', async () => {
  const [one, two] = await Promise.all(
    ['one', 'two'].map((name) => bench.open(backend, { env: { OF_SESSION: `session ${name}` } })),
  );
  // Both waited for one start.
  expect(bench.book.all()).toHaveLength(1);
  const prompt = scriptedPrompt(bash(showEnv), heard);
  expect((await one?.turn(prompt))?.text).toBe('heard: []\nsession one\n');
  expect((await two?.turn(prompt))?.text).toBe('heard: []\nsession two\n');
  const inChild = await one?.turn(scriptedPrompt(task('general', prompt), heard));
  expect(inChild?.text).toContain('heard: []\nsession one\n');
  await Promise.all([one?.close(), two?.close()]);
});

test('a conversation that is forgotten is gone from the program’s store, and no other', async () => {
  await using other = await bench.open(backend);
  const live = await bench.open(backend);
  expect((await live.turn(scriptedPrompt({ text: 'hello' })))?.text).toBe('hello');
  await live.session.forget?.();
  await live.close();
  const server = serverOf(bench);
  const idOf = async (id: string): Promise<unknown> => (await server.send({ path: `/session/${id}` })).body;
  await expect(idOf(live.session.nativeId)).rejects.toMatchObject({ status: 404 });
  expect(await idOf(other.session.nativeId)).toMatchObject({ id: other.session.nativeId });
});

test('an interruption that overtakes its prompt still ends the turn', async () => {
  await using live = await bench.open(backend);
  const prompt = live.makePrompt(scriptedPrompt({ text: 'never', delayMs: 60_000 }));
  const receipt = live.session.prompt(prompt, 'next-turn');
  await live.session.interrupt();
  expect(await receipt).toEqual({ type: 'accepted' });
  expect(await live.end(prompt)).toMatchObject({ outcome: 'interrupted' });
});

test('a refused question ends the turn, and the session goes on', async () => {
  await using live = await bench.open(backend);
  const questions = [{ question: 'Which?', header: 'One', options: [{ label: 'a', description: 'a' }] }];
  const sent = live.send(scriptedPrompt({ tools: [{ name: 'question', input: { questions } }] }, heard));
  const { nativeId } = await live.events.first('asked');
  expect(await live.session.answer(nativeId, { type: 'deny', reason: 'nobody is here' })).toBe('taken');
  expect(await live.end((await sent).prompt)).toMatchObject({ outcome: 'rejected', failure: null });
  expect(await live.turn(scriptedPrompt({ text: 'on' }))).toMatchObject({ outcome: 'done', text: 'on' });
});

test('a file that may hold secrets is asked for, also where reading is allowed', async () => {
  await using live = await bench.open(backend, { profile: profileWith({ read: 'allow' }) });
  for (const name of ['.env', '.env.example', '.env.local']) await writeFile(join(bench.project, name), `of ${name}\n`);
  const read = (name: string): object => ({ tools: [{ name: 'read', input: { filePath: name } }] });
  const sent = live.send(scriptedPrompt(read('.env.example'), read('.env'), read('.env.local'), heard));
  const first = await live.events.first('asked');
  expect(first.subject).toMatchObject({ type: 'permission', call: { tool: 'read', patterns: ['.env'] } });
  await live.session.answer(first.nativeId, { type: 'allow', scope: 'once', expiresAt: null });
  const second = await live.events.first('asked', ({ nativeId }) => nativeId !== first.nativeId);
  expect(second.subject).toMatchObject({ call: { tool: 'read', patterns: ['.env.local'] } });
  await live.session.answer(second.nativeId, { type: 'deny', reason: 'mark-no' });
  expect((await live.end((await sent).prompt)).text).toContain('mark-no');
  expect(live.events.of('tool-ended').map(({ status }) => status)).toEqual(['completed', 'completed', 'error']);
});

test('MCP servers are passed through, and see no secret of the server', async () => {
  await using live = await bench.open(backend, { mcp: { given: { ...local, environment: { OWN: 'mine' } } } });
  for (const name of ['given', 'configured']) {
    const call = { tools: [{ name: `${name}_environment`, input: {} }] };
    const { text } = await live.turn(scriptedPrompt(call, heard));
    expect(text).toContain('"OPENCODE_SERVER_PASSWORD":""');
    expect(text).toContain('"OPENCODE_CONFIG_CONTENT":""');
    expect(text).not.toContain('hush');
    expect(text.includes('"OWN":"mine"')).toBe(name === 'given');
  }
});

test('an MCP server that does not start is told, and blocks nothing', async () => {
  await using live = await bench.open(backend, {
    mcp: { absent: { ...local, command: ['/nowhere/mcp'], environment: {} } },
  });
  expect((await live.events.first('notice')).text).toContain('the MCP server "absent" is not connected');
  expect(await live.turn(scriptedPrompt({ text: 'well' }))).toMatchObject({ outcome: 'done', text: 'well' });
});

test('instructions reach every turn, also the one after a compaction, and the project’s AGENTS.md with them', async () => {
  const directory = join(bench.root, 'instructed');
  await mkdir(directory);
  await writeFile(join(directory, 'AGENTS.md'), 'Word of the project.');
  await using live = await bench.open(backend, { directory, instructions: 'Word of the role.' });
  await live.turn(scriptedPrompt({ text: 'before' }));
  const before = bench.model.requests().length;
  const body = { providerID: 'scripted', modelID: 'm1', auto: true };
  await serverOf(bench).send({ method: 'POST', path: `/session/${live.session.nativeId}/summarize`, body });
  const bodies = bench.model.requests().map((request) => request.body ?? '');
  const isTold = bodies.map((text) => text.includes('Word of the role.') && text.includes('Word of the project.'));
  expect(isTold.at(before - 1)).toBe(true);
  expect(bodies.at(-1)).toContain('Continue if you have next steps');
  expect(isTold.at(-1)).toBe(true);
});

test('its server answers nobody without the password, and listens on loopback alone', async () => {
  await using _ = await bench.open(backend);
  const url = new URL(String(bench.book.all()[0]?.data.url));
  for (const path of ['global/health', 'session', 'event']) {
    expect((await fetch(new URL(path, url))).status, path).toBe(401);
  }
  if (process.platform !== 'linux') return;
  const port = Number(url.port).toString(16).toUpperCase().padStart(4, '0');
  const listening = ['tcp', 'tcp6'].flatMap((name) => {
    const rows = readFileSync(`/proc/net/${name}`, 'utf8')
      .split('\n')
      .map((row) => row.trim().split(/\s+/));
    return rows.filter(([, local, , state]) => local?.endsWith(`:${port}`) && state === '0A').map(([, local]) => local);
  });
  expect(listening).toEqual([`0100007F:${port}`]);
});

test('a model that OpenCode does not have is refused by name', async () => {
  const open = bench.open(backend, { model: 'scripted/none' });
  await expect(open).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('scripted/none') });
});

test('nothing is installed into the private configuration directory', async () => {
  await using _ = await bench.open(backend);
  const [project] = await readdir(join(bench.root, 'home', 'projects'));
  const config = join(bench.root, 'home', 'projects', project ?? '', 'config', 'opencode');
  expect(await readdir(join(config, 'node_modules'))).toEqual([]);
});

test('a server outlives a release and is taken over with its session', async () => {
  const own = await opencodeBench();
  try {
    const before = own.backend();
    const first = await own.open(before);
    await first.turn(scriptedPrompt({ text: 'first' }));
    const [entry] = own.book.all();
    await before.release?.();
    expect(await first.ended()).toEqual({ type: 'closed' });

    const after = own.backend();
    expect(await after.sweep(new Set(entry?.data.sessions as string[]))).toEqual([]);
    const second = await own.open(after, { from: { type: 'resume', nativeId: first.session.nativeId } });
    expect(second.session.origin).toEqual({ type: 'resumed' });
    expect(await second.turn(scriptedPrompt({ text: 'second' }))).toMatchObject({ outcome: 'done', text: 'second' });
    expect(own.book.all().map(({ record }) => record)).toEqual([entry?.record]);
    await after.close(500);
    expect(await leftovers(own.root)).toEqual(process.platform === 'linux' ? [] : null);
    expect(await readdir(join(own.root, 'home', 'servers'))).toEqual([]);
  } finally {
    await own[Symbol.asyncDispose]();
  }
});

test('a release ends a server that serves no session', async () => {
  const own = await opencodeBench();
  try {
    const one = own.backend();
    await (await own.open(one)).close();
    await one.release?.();
    expect(own.book.all()).toEqual([]);
    expect(await leftovers(own.root)).toEqual(process.platform === 'linux' ? [] : null);
  } finally {
    await own[Symbol.asyncDispose]();
  }
});

test('with other settings a session moves to another server: the old one is ended first', async () => {
  const own = await opencodeBench();
  try {
    const spec = { sessionId: newId('sess', Date.now()) };
    const first = await own.open(own.backend(), spec);
    const prompt = first.makePrompt(scriptedPrompt(bash('echo x >> count; sleep 600'), heard));
    await first.session.prompt(prompt, 'next-turn');
    await first.events.first('tool-started');
    const [before] = own.book.all();

    const after = own.backend({ env: { OTHER: 'settings' } });
    await after.sweep(new Set([spec.sessionId]));
    const from = { type: 'resume', nativeId: first.session.nativeId } as const;
    const second = await own.open(after, { ...spec, from });
    expect((await first.ended()).type).toBe('died');
    expect(own.book.all().map(({ id }) => id)).not.toContain(before?.id);
    expect(await second.turn(prompt)).toMatchObject({ outcome: 'done', text: expect.stringContaining('interrupted') });
    expect(second.events.of('tool-ended')).toMatchObject([{ tool: 'bash', status: 'interrupted' }]);
  } finally {
    await own[Symbol.asyncDispose]();
  }
});

test('a server without sessions is ended after five minutes', async () => {
  const own = await opencodeBench();
  try {
    const idle = deferred<() => void>();
    const FIVE_MINUTES_MS = 300_000;
    const clock: typeof systemClock = {
      now: systemClock.now,
      after: (ms, fn) => {
        if (ms !== FIVE_MINUTES_MS) return systemClock.after(ms, fn);
        idle.resolve(fn);
        return () => undefined;
      },
    };
    const ended = deferred<void>();
    const book = own.book;
    const remove = (id: string): void => {
      book.remove(id);
      ended.resolve();
    };
    const one = own.backend({}, { clock, book: { put: book.put, list: book.list, remove } });
    await (await own.open(one)).close();
    expect(book.all()).toHaveLength(1);
    (await idle.promise)();
    await ended.promise;
    expect(book.all()).toEqual([]);
    expect(await leftovers(own.root)).toEqual(process.platform === 'linux' ? [] : null);
  } finally {
    await own[Symbol.asyncDispose]();
  }
});

test('a server that stands still is ended, and its session with it', async () => {
  const own = await opencodeBench();
  try {
    // Silence and patience pass 20 times faster than the heartbeats of the server come.
    const FASTER = 20;
    const clock: typeof systemClock = {
      now: () => systemClock.now() * FASTER,
      after: (ms, fn) => systemClock.after(ms / FASTER, fn),
    };
    const live = await own.open(own.backend({}, { clock }), { limitMs: 60_000 * FASTER });
    const pid = own.book.all()[0]?.record?.pid ?? Number.NaN;
    process.kill(pid, 'SIGSTOP');
    expect(await live.ended()).toMatchObject({ type: 'died', failure: { class: 'crash' } });
    expect(own.book.all()).toEqual([]);
    expect(await leftovers(own.root)).toEqual(process.platform === 'linux' ? [] : null);
  } finally {
    await own[Symbol.asyncDispose]();
  }
});

test('the user’s profile: own configuration is used, its files stay as they are, its agents cannot pass by the questions', async () => {
  const own = await opencodeBench();
  try {
    const config = join(own.userHome, '.config', 'opencode');
    await mkdir(join(config, 'agent'), { recursive: true });
    await mkdir(join(own.userHome, '.opencode', 'bin'), { recursive: true });
    await writeFile(join(config, 'opencode.json'), JSON.stringify(scriptedConfig(own.model.url)));
    await writeFile(join(config, 'AGENTS.md'), 'Word of the user.');
    const loose = '---\ndescription: loose\nmode: subagent\npermission:\n  bash: allow\n  "*": allow\n---\nBe loose.\n';
    await writeFile(join(config, 'agent', 'loose.md'), loose);
    const hashes = async (): Promise<string[]> =>
      Promise.all(['.config', '.opencode'].map((name) => hashOfTree(join(own.userHome, name))));
    const untouched = await hashes();

    const users = own.backend({ profile: 'user', config: {}, env: { OPENCODE_DISABLE_MODELS_FETCH: '1' } });
    await using live = await own.open(users, { profile: profileWith({ bash: 'ask' }) });
    const prompt = live.send(scriptedPrompt(task('loose', scriptedPrompt(bash('echo loose'), heard)), heard));
    const asked = await live.events.first('asked');
    expect(asked).toMatchObject({ isFromChild: true, subject: { call: { command: 'echo loose' } } });
    await live.session.answer(asked.nativeId, { type: 'allow', scope: 'once', expiresAt: null });
    expect((await live.end((await prompt).prompt)).text).toContain('loose');
    expect(own.model.requests()[0]?.body).toContain('Word of the user.');

    const shown = live.send(scriptedPrompt(bash('echo "$HOME $XDG_CONFIG_HOME"'), heard));
    const again = await live.events.first('asked', (event) => event.nativeId !== asked.nativeId);
    await live.session.answer(again.nativeId, { type: 'allow', scope: 'once', expiresAt: null });
    expect((await live.end((await shown).prompt)).text).toContain(`${own.userHome} ${join(own.userHome, '.config')}`);
    expect(await hashes()).toEqual(untouched);
  } finally {
    await own[Symbol.asyncDispose]();
  }
});
