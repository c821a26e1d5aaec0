import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../../../test/support/api.ts';
import { sampleEvent } from '../../../test/support/events.ts';

type Case = readonly [what: string, method: string, path: string, body: unknown, status: number, headers?: object];

const LINES = { 'Content-Type': 'application/x-ndjson' };
const over = (name: string, value: unknown) => sampleEvent({ [name]: value });
const without = (name: string) => sampleEvent({ [name]: undefined });
const ask = (hitl: object) => sampleEvent({ humanInTheLoop: { question: '?', type: 'permission', ...hitl } });
const deep = (n: number) => JSON.stringify(sampleEvent()).replace('"ls"', `${'['.repeat(n)}${']'.repeat(n)}`);
const SMALL = { maxBodyBytes: 20_000, maxBatch: 10 };

const CASES: readonly Case[] = [
  ['nothing', 'POST', '/events', '', 400],
  ['no JSON', 'POST', '/events', 'hello', 400],
  ['half of JSON', 'POST', '/events', '{"source_app":"a"', 400],
  ['two documents', 'POST', '/events', '{} {}', 400],
  ['null', 'POST', '/events', 'null', 400],
  ['a text', 'POST', '/events', '"event"', 400],
  ['a number', 'POST', '/events', '1e999', 400],
  ['no array element', 'POST', '/events', '[]', 400],
  ['arrays in an array', 'POST', '/events', '[[],[]]', 400],
  ['only bad ones', 'POST', '/events', [1, null, {}], 400],
  ['an empty object', 'POST', '/events', {}, 400],
  ['no app', 'POST', '/events', without('source_app'), 400],
  ['no session', 'POST', '/events', without('session_id'), 400],
  ['no type', 'POST', '/events', without('hook_event_type'), 400],
  ['no payload', 'POST', '/events', without('payload'), 400],
  ['an empty app', 'POST', '/events', over('source_app', ''), 400],
  ['a numeric app', 'POST', '/events', over('source_app', 7), 400],
  ['a long app', 'POST', '/events', over('source_app', 'x'.repeat(257)), 400],
  ['a session that is a list', 'POST', '/events', over('session_id', ['s']), 400],
  ['a payload that is a text', 'POST', '/events', over('payload', 'text'), 400],
  ['a payload that is a list', 'POST', '/events', over('payload', []), 400],
  ['a payload that is null', 'POST', '/events', over('payload', null), 400],
  ['a timestamp in words', 'POST', '/events', over('timestamp', 'yesterday'), 400],
  ['a negative timestamp', 'POST', '/events', over('timestamp', -1), 400],
  ['a timestamp in the year 5138', 'POST', '/events', over('timestamp', 99_999_999_999_999), 400],
  ['a timestamp that is true', 'POST', '/events', over('timestamp', true), 400],
  ['a day that is none', 'POST', '/events', over('timestamp', '2026-13-40'), 400],
  ['a chat that is a text', 'POST', '/events', over('chat', 'hello'), 400],
  ['a summary that is a number', 'POST', '/events', over('summary', 1), 400],
  ['an event_id that is a number', 'POST', '/events', over('event_id', 1), 400],
  ['a long event_id', 'POST', '/events', over('event_id', 'x'.repeat(129)), 400],
  ['a question that is a text', 'POST', '/events', over('humanInTheLoop', 'May I?'), 400],
  ['a question of no known type', 'POST', '/events', ask({ type: 'riddle' }), 400],
  ['a choice without choices', 'POST', '/events', ask({ type: 'choice' }), 400],
  ['a negative timeout', 'POST', '/events', ask({ timeout: -1 }), 400],
  ['an answer to elsewhere', 'POST', '/events', ask({ responseWebSocketUrl: 'ws://10.0.0.1:9000' }), 400],
  ['an answer to a file', 'POST', '/events', ask({ responseWebSocketUrl: 'file:///etc/passwd' }), 400],
  ['too deep', 'POST', '/events', deep(300), 400],
  ['200,000 levels', 'POST', '/events', '['.repeat(19_999), 400],
  ['too large', 'POST', '/events', over('payload', { text: 'x'.repeat(30_000) }), 413],
  ['too many', 'POST', '/events', Array.from({ length: 11 }, () => sampleEvent()), 413],
  ['lines without an event', 'POST', '/events', '\n\n', 400, LINES],
  ['lines that are none', 'POST', '/events', 'a\nb', 400, LINES],
  ['bytes that are no UTF-8', 'POST', '/events', new Uint8Array([0x22, 0xff, 0xfe, 0x22]), 400],
  ['a compressed body', 'POST', '/events', sampleEvent(), 415, { 'Content-Encoding': 'gzip' }],
  ['an empty key', 'POST', '/events', sampleEvent(), 400, { 'Idempotency-Key': '' }],
  ['a long key', 'POST', '/events', sampleEvent(), 400, { 'Idempotency-Key': 'x'.repeat(256) }],
  ['a hook without a type', 'POST', '/hook?source_app=a', {}, 400],
  ['a hook that is a list', 'POST', '/hook?source_app=a', [], 400],
  ['a hook without an app', 'POST', '/hook', { hook_event_name: 'Stop' }, 400],
  ['a limit in words', 'GET', '/events/recent?limit=abc', null, 400],
  ['a limit of nothing', 'GET', '/events/recent?limit=0', null, 400],
  ['a limit below nothing', 'GET', '/events/recent?limit=-1', null, 400],
  ['a limit beyond numbers', 'GET', '/events/recent?limit=1e30', null, 400],
  ['two limits', 'GET', '/events/recent?limit=1&limit=2', null, 400],
  ['since and before', 'GET', '/events/recent?since=1&before=2', null, 400],
  ['a time in words', 'GET', '/events/recent?from=yesterday', null, 400],
  ['an unknown filter', 'GET', '/events/recent?colour=red', null, 400],
  ['a search for signs', 'GET', '/events/recent?q=%2A%2A', null, 400],
  ['a stream without an upgrade', 'GET', '/stream', null, 426],
  ['a stream from the future', 'GET', '/stream?since=999', null, 400, { Accept: 'text/event-stream' }],
  ['an answer to no event', 'POST', '/events/999/respond', { permission: true }, 404],
  ['an answer to a word', 'POST', '/events/abc/respond', { permission: true }, 404],
  ['the answer of no event', 'GET', '/events/999/response', null, 404],
  ['an endless wait', 'GET', '/events/1/response?wait=1e9', null, 400],
  ['the wrong method', 'DELETE', '/events', null, 405],
  ['a method of reading', 'GET', '/events', null, 405],
  ['an unknown route', 'GET', '/events/unknown', null, 404],
  ['a route too deep', 'GET', '/events/1/2/3/4', null, 404],
];

describe('bad input', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await openTestApi({ eventLimits: SMALL });
  });
  afterAll(() => api[Symbol.asyncDispose]());

  const ask = (method: string, path: string, body: unknown, headers: object = {}) => {
    const isRaw = typeof body === 'string' || body instanceof Uint8Array;
    const init = body === null ? {} : { body: isRaw ? (body as string) : JSON.stringify(body) };
    return api.send(path, { method, ...init, headers: { 'Content-Type': 'application/json', ...headers } });
  };
  const isAlive = async (): Promise<void> => {
    expect((await api.post('/events', sampleEvent(), { token: 'ingest' })).status).toBe(200);
  };

  for (const [what, method, path, body, status, headers = {}] of CASES) {
    it(`refuses ${what}: ${method} ${path}`, async () => {
      const response = await ask(method, path, body, headers);
      const text = await response.text();
      expect([response.status, text]).toEqual([status, expect.stringMatching(/^[{[]/)]);
      expect(response.headers.get('Content-Type')).toBe('application/problem+json');
      expect(JSON.parse(text)).toMatchObject({ code: expect.any(String), error: expect.any(String), status });
      expect(text).not.toMatch(/node_modules|SQLITE|\bat .*\.ts|<html/i);
      await isAlive();
    });
  }

  it('lives on when a request breaks off or says that it is longer than it is', async () => {
    for (const words of [
      'POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ingest\r\nContent-Length: 100\r\n\r\n{"a":',
      'POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ingest\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      'GET /events\r\n\r\n',
    ]) {
      const socket = connect(api.port, '127.0.0.1');
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.on('error', () => undefined);
      socket.resume();
      socket.end(words.replace('Host: 127.0.0.1', `Host: 127.0.0.1:${api.port}`));
      await closed;
      await isAlive();
    }
  });

  it('is never answered with a failure of ours, whatever is sent', async () => {
    const name = fc.constantFrom('/events', '/hook', '/events/recent', '/events/1/respond', '/events/1/response');
    const query = fc.webQueryParameters();
    const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS');
    const body = fc.oneof(
      fc.json(),
      fc.string(),
      fc.jsonValue().map((payload) => JSON.stringify(over('payload', payload))),
    );
    await fc.assert(
      fc.asyncProperty(name, query, method, body, async (path, search, how, text) => {
        const response = await ask(how, `${path}?${search}`, how === 'GET' ? null : text);
        await response.text();
        expect(response.status).toBeLessThan(500);
      }),
      { numRuns: 150 },
    );
    await isAlive();
  });
});
