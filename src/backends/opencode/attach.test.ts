import { afterAll, beforeAll, expect, test } from 'vitest';
import { profileWith } from '../../../test/support/backend-session.ts';
import { type OpencodeBench, opencodeBench, scriptedPrompt } from '../../../test/support/opencode.ts';
import { type TcpProxy, tcpProxy } from '../../../test/support/proxy.ts';
import type { BackendSettings } from '../../contract/config.ts';
import type { Backend } from '../backend.ts';
import { connectHttp, type Http } from './http.ts';

const bash = (command: string): object => ({ tools: [{ name: 'bash', input: { command, description: 'of a test' } }] });
const heard = { text: 'heard: {{lastToolOutput}}' };

let bench: OpencodeBench;
let proxy: TcpProxy;
/** Somebody else's server, and its client. */
let theirs: Http;
let settings: BackendSettings;
let attached: Backend;

beforeAll(async () => {
  bench = await opencodeBench();
  // Any server will do; this one is kept up by its open session.
  await bench.open(bench.backend());
  const { url, password } = bench.book.all()[0]?.data ?? {};
  theirs = connectHttp(String(url), String(password));
  proxy = await tcpProxy(theirs.url);
  settings = { url: proxy.url, env: { OPENCODE_SERVER_PASSWORD: String(password) } };
  attached = bench.backend(settings);
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

test('wherever the connection is cut, every text and every call is told once and whole', async () => {
  await using live = await bench.open(attached);
  const text = Array.from({ length: 60 }, (_, i) => `${i}`.padStart(3, '.')).join('');
  const streamed = { text, chunks: 60, chunkDelayMs: 30 };
  const steps = [{ ...streamed, ...bash('sleep 0.5; echo one') }, { ...streamed, ...bash('echo two') }, streamed];
  const ended = live.turn(scriptedPrompt(...steps));
  const seen = new Set<string>();
  for (const _ of [1, 2, 3]) {
    const delta = await live.events.first('text-delta', ({ partId }) => !seen.has(partId));
    seen.add(delta.partId);
    // In the middle of a text, and of the call after it.
    proxy.cut();
    if (seen.size === 1) await live.events.first('tool-started');
    proxy.cut();
  }
  const end = await ended;
  expect(end).toMatchObject({ outcome: 'done', text });

  const whole = live.events.of('text');
  expect(whole.map((event) => event.text)).toEqual([text, text, text]);
  for (const { partId } of whole) {
    const deltas = live.events.of('text-delta').filter((event) => event.partId === partId);
    expect(deltas.map((event) => event.text).join('')).toBe(text);
  }
  expect(live.events.of('tool-started')).toHaveLength(2);
  expect(live.events.of('tool-ended').map((event) => event.output)).toEqual(['one\n', 'two\n']);
  expect(live.events.of('turn-started')).toHaveLength(1);
  expect(live.events.of('turn-ended')).toHaveLength(1);
  const requests = bench.model.requests().filter((request) => request.sessionId === live.session.nativeId);
  expect(requests).toHaveLength(3);
});

test('a question that is put while the connection is down is told after it', async () => {
  await using live = await bench.open(attached, { profile: profileWith({ bash: 'ask' }) });
  proxy.onData = (chunk) => {
    if (chunk.includes('"permission.asked"')) proxy.cut();
  };
  const sent = live.send(scriptedPrompt(bash('echo asked'), heard));
  const asked = await live.events.first('asked');
  proxy.onData = () => undefined;
  expect(await live.session.answer(asked.nativeId, { type: 'allow', scope: 'once', expiresAt: null })).toBe('taken');
  expect(await live.end((await sent).prompt)).toMatchObject({ outcome: 'done', text: 'heard: asked\n' });
  expect(live.events.of('asked')).toHaveLength(1);
});

test('a prompt whose answer is lost is given to the model once', async () => {
  await using live = await bench.open(attached);
  let isCut = false;
  proxy.onData = (chunk) => {
    if (isCut || !chunk.includes('204 No Content')) return;
    isCut = true;
    proxy.cut();
  };
  expect(await live.turn(scriptedPrompt({ text: 'once' }))).toMatchObject({ outcome: 'done', text: 'once' });
  proxy.onData = () => undefined;
  expect(isCut).toBe(true);
  expect(live.events.of('turn-started')).toHaveLength(1);
  const requests = bench.model.requests().filter((request) => request.sessionId === live.session.nativeId);
  expect(requests).toHaveLength(1);
});

test('a server that is not ours is told about, and what is not ours on it is left alone', async () => {
  const query = { directory: bench.project };
  const made = await theirs.send({ method: 'POST', path: '/session', query, body: { title: 'theirs' } });
  const { id } = made.body as { readonly id: string };
  const mcp = { absent: { type: 'local', command: ['true'], environment: {} } } as const;
  const live = await bench.open(attached, { mcp });
  const notices = [await live.events.first('notice', ({ text }) => text.includes('own'))];
  expect(notices.length).toBe(1);
  expect(
    live.events
      .of('notice')
      .map(({ text }) => text)
      .join(),
  ).toContain('MCP');
  const resumed = await bench.open(attached, { from: { type: 'resume', nativeId: id } });
  expect(resumed.session.origin).toMatchObject({ type: 'new-instead', reason: expect.stringContaining('Gantry') });
  await Promise.all([live.close(), resumed.close()]);
  const other = bench.backend(settings);
  await bench.open(other);
  await other.close(500);
  expect((await theirs.send({ path: `/session/${id}`, query })).body).toMatchObject({ title: 'theirs' });
});

test('the profile’s answers hold for the session itself', async () => {
  await using live = await bench.open(attached, { profile: profileWith({ bash: 'deny' }) });
  const end = await live.turn(scriptedPrompt(bash('echo denied'), heard));
  expect(end).toMatchObject({ outcome: 'done' });
  expect(end.text).not.toBe('heard: denied\n');
});

test('without its password the server is refused with the remedy', async () => {
  const backend = bench.backend({ url: proxy.url });
  await expect(bench.open(backend)).rejects.toMatchObject({
    code: 'backend_failed',
    message: expect.stringContaining('OPENCODE_SERVER_PASSWORD'),
  });
  expect(await backend.probe(new AbortController().signal)).toMatchObject({ isInstalled: false });
  expect(await attached.probe(new AbortController().signal)).toMatchObject({ isInstalled: true, problem: null });
});
