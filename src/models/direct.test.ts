import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Scope } from '../base/scope.ts';
import { askModel, type ModelQuestion } from './direct.ts';
import type { Step } from './scripted/script.ts';
import { type ScriptedModel, startScriptedModel } from './scripted/server.ts';

let scope = new Scope();
afterEach(async () => {
  await scope.close();
  scope = new Scope();
});

const KEY = 'key-of-the-test-0123456789';
const playing = async (...otherwise: Step[]): Promise<ScriptedModel> =>
  scope.use(await startScriptedModel({ script: { otherwise } }));
const question = (model: string, more: Partial<ModelQuestion> = {}): ModelQuestion => ({
  model,
  system: 'You plan.',
  prompt: 'Say hello.',
  signal: scope.signal,
  credential: { name: 'TEST_KEY', value: KEY },
  ...more,
});
const ask = (to: ScriptedModel, more: Partial<ModelQuestion> = {}): ReturnType<typeof askModel> =>
  askModel(question('local/m1', { endpoint: `${to.url}/v1`, ...more }));

describe('an answer', () => {
  const step: Step = {
    reasoning: 'hm',
    text: '{"tasks":[]}',
    usage: { input: 1000, output: 50, cachedInput: 400, reasoning: 20 },
  };

  test.each([
    ['an OpenAI-compatible endpoint', 'local/m1', '/v1/chat/completions'],
    ['a model of OpenRouter', 'openrouter/openai/gpt-5-mini', '/v1/chat/completions'],
    ['a model of Ollama', 'ollama/qwen3', '/v1/chat/completions'],
    ['a model of OpenAI', 'openai/gpt-4.1', '/v1/responses'],
    ['a model of Anthropic', 'anthropic/claude-sonnet-4-5', '/v1/messages'],
  ])('of %s', async (_what, name, endpoint) => {
    const model = await playing(step);
    const answer = await askModel(question(name, { endpoint: `${model.url}/v1`, headers: { 'x-session-id': 's1' } }));
    expect(answer).toEqual({
      ok: true,
      text: step.text,
      usage: { inputTokens: 1000, outputTokens: 50 },
      costUsd: null,
    });
    expect(model.requests()).toMatchObject([{ endpoint, sessionId: 's1', lastUserText: 'Say hello.' }]);
    const body = JSON.parse(model.requests()[0]?.body ?? '');
    expect(body.model).toBe(name.slice(name.indexOf('/') + 1));
    expect(JSON.stringify(body)).toContain('You plan.');
    if (endpoint === '/v1/responses') expect(body.store).toBe(false);
  });

  test('of Google, with its key in its own header', async () => {
    const { url, seen } = await stub(200, {
      candidates: [{ content: { role: 'model', parts: [{ text: 'hel' }, { text: 'lo' }] }, finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 2, totalTokenCount: 7 },
    });
    const answer = await askModel(question('google/gemini-2.5-flash', { endpoint: url }));
    expect(answer).toMatchObject({ ok: true, text: 'hello', usage: { inputTokens: 5, outputTokens: 2 } });
    expect(seen).toEqual([{ path: '/models/gemini-2.5-flash:generateContent', key: KEY }]);
  });

  test('takes the cost that the provider says', async () => {
    const { url } = await stub(200, {
      choices: [{ message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 5, completion_tokens: 2, cost: 0.0125 },
    });
    expect(await askModel(question('openrouter/x/y', { endpoint: url }))).toMatchObject({ costUsd: 0.0125 });
  });

  test('is asked for as JSON in words when there is a schema', async () => {
    const model = await playing(step);
    await ask(model, { schema: { type: 'object', required: ['tasks'] }, temperature: 0.2 });
    const body = JSON.parse(model.requests()[0]?.body ?? '');
    expect(body.messages[0].content).toMatch(/^You plan\..*JSON.*"required":\["tasks"\]/s);
    expect(body).toMatchObject({ temperature: 0.2 });
    expect(body.response_format).toBeUndefined();
  });
});

describe('a failure', () => {
  const error = (status: number, more: Partial<NonNullable<Step['error']>> = {}): Step => ({
    error: { status, message: 'no', ...more },
  });

  test.each<[string, Step, object, number]>([
    ['401', error(401), { class: 'auth' }, 1],
    ['403', error(403), { class: 'auth' }, 1],
    ['402', error(402), { class: 'quota' }, 1],
    ['429', error(429, { retryAfterS: 7 }), { class: 'rate', retryAfterMs: 7000 }, 1],
    ['429 for want of money', error(429, { type: 'insufficient_quota' }), { class: 'quota' }, 1],
    ['400', error(400), { class: 'model' }, 1],
    ['404', error(404), { class: 'model' }, 1],
    ['408', error(408), { class: 'timeout' }, 1],
    ['500 twice', error(500), { class: 'unreachable' }, 2],
    ['503 twice', error(503), { class: 'unreachable' }, 2],
    ['an empty error text', error(400, { message: '' }), { class: 'model' }, 1],
    ['a cut connection twice', { text: 'abc', cut: true }, { class: 'unreachable' }, 2],
    ['no text', { emptyText: true }, { class: 'empty' }, 1],
    ['only blanks', { text: ' \n' }, { class: 'empty' }, 1],
    ['only reasoning', { reasoning: 'hm' }, { class: 'empty' }, 1],
  ])('%s', async (_what, step, expected, requests) => {
    const model = await playing(step);
    expect(await ask(model)).toMatchObject({ ok: false, message: expect.stringMatching(/./), ...expected });
    expect(model.requests()).toHaveLength(requests);
  });

  test.each([
    ['openai/gpt-4.1', 429, { class: 'rate' }],
    ['anthropic/claude-sonnet-4-5', 401, { class: 'auth' }],
  ])('of the native API of %s', async (name, status, expected) => {
    const model = await playing(error(status));
    expect(await askModel(question(name, { endpoint: `${model.url}/v1` }))).toMatchObject(expected);
  });

  test('that passes is followed by a second try', async () => {
    const model = await playing({ ...error(502, { times: 1 }), text: 'fine' });
    expect(await ask(model, { headers: { 'x-session-id': 's' } })).toMatchObject({ ok: true, text: 'fine' });
  });

  test.each<[string, number, unknown, object]>([
    [
      'a bad key at Google, a 400 with a reason',
      400,
      { error: { code: 400, message: 'bad', status: 'INVALID_ARGUMENT', details: [{ reason: 'API_KEY_INVALID' }] } },
      { class: 'auth' },
    ],
    ['a failure said with status 200', 200, { error: { code: 429, message: 'slow' } }, { class: 'rate' }],
    ['a page instead of an answer', 200, '<html>', { class: 'model' }],
    ['a page instead of an error', 401, '<html>', { class: 'auth' }],
    ['an answer of another shape', 200, { choices: [] }, { class: 'model' }],
  ])('%s', async (_what, status, body, expected) => {
    const { url } = await stub(status, body);
    expect(await askModel(question('local/m1', { endpoint: url }))).toMatchObject(expected);
  });

  test('to connect', async () => {
    const model = await startScriptedModel();
    await model.close();
    expect(await ask(model)).toMatchObject({ ok: false, class: 'unreachable' });
  });

  test('to answer in time', async () => {
    const model = await playing({ hang: true });
    expect(await ask(model, { limitMs: 200 })).toMatchObject({ ok: false, class: 'timeout' });
    await expect.poll(() => model.requests()[0]?.ending, { timeout: 60_000 }).toBe('left');
  });

  test.each(['openai/x', 'anthropic/x', 'google/x', 'openrouter/x/y'])('for want of a key for %s', async (name) => {
    expect(await askModel(question(name, { credential: null }))).toMatchObject({
      class: 'no_key',
      message: expect.stringMatching(/_API_KEY/),
    });
  });

  test('shows neither the key nor other secrets', async () => {
    const message = `key ${KEY}, header secret-header-value, Bearer abcdefgh12345678, https://me:pw@host/x`;
    const model = await playing({ error: { status: 401, message } });
    const failure = await ask(model, { headers: { 'x-extra': 'secret-header-value' } });
    expect(JSON.stringify(failure)).not.toMatch(/key-of-the-test|secret-header|abcdefgh|me:pw/);
    expect(JSON.stringify(failure)).toContain('HTTP 401');
  });
});

test('a local endpoint needs no key, and none of the environment is sent', async () => {
  const model = await playing({ text: 'hi' });
  vi.stubEnv('OPENAI_API_KEY', 'from-the-environment');
  vi.stubEnv('OPENAI_BASE_URL', `${model.url}/wrong`);
  scope.defer(() => vi.unstubAllEnvs());
  const { url, seen } = await stub(401, {});
  await askModel(question('openai/gpt-4.1', { endpoint: url, credential: null }));
  expect(seen).toEqual([{ path: '/responses', key: 'Bearer unused' }]);
  expect(await ask(model, { credential: null })).toMatchObject({ ok: true });
});

describe('cancelling', () => {
  test('ends the call at once, also on the server', async () => {
    const model = await playing({ hold: 'never' });
    const cancel = new AbortController();
    const answer = ask(model, { signal: cancel.signal });
    await expect.poll(() => model.requests().length, { timeout: 60_000 }).toBe(1);
    const cancelled = expect(answer).rejects.toMatchObject({ code: 'cancelled' });
    cancel.abort();
    await cancelled;
    await expect.poll(() => model.requests()[0]?.ending, { timeout: 60_000 }).toBe('left');
  });

  test('before the call asks nobody', async () => {
    const model = await playing({ text: 'x' });
    await expect(ask(model, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    expect(model.requests()).toEqual([]);
  });
});

test.each<[string, Partial<ModelQuestion>, RegExp]>([
  ['gpt-5', {}, /provider\/model/],
  ['openai/', {}, /provider\/model/],
  ['groq/llama', {}, /openai, anthropic, google, openrouter, ollama/],
  ['toString/x', {}, /endpoint/],
  ['openai/x', { endpoint: 'localhost:1234' }, /URL/],
])('the model "%s" is refused as configuration', async (name, more, message) => {
  await expect(askModel(question(name, more))).rejects.toMatchObject({
    code: 'bad_config',
    message: expect.stringMatching(message),
  });
});

/** A server that gives every request the same answer; `seen` tells the paths and keys. */
async function stub(status: number, body: unknown): Promise<{ url: string; seen: object[] }> {
  const seen: object[] = [];
  const server = createServer((request, response) => {
    seen.push({ path: request.url, key: request.headers['x-goog-api-key'] ?? request.headers.authorization });
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}
