import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Scope } from '../../base/scope.ts';
import type { ModelScriptInput, Step } from './script.ts';
import { type ScriptedModel, startScriptedModel } from './server.ts';

let scope = new Scope();
afterEach(async () => {
  await scope.close();
  scope = new Scope();
});

const start = async (options: Parameters<typeof startScriptedModel>[0] = {}): Promise<ScriptedModel> =>
  scope.use(await startScriptedModel(options));
const playing = (...steps: Step[]): Promise<ScriptedModel> => start({ script: { otherwise: steps } });

type Body = Record<string, unknown>;
const chatBody = (text: string, more: Body = {}): Body => ({
  model: 'm1',
  messages: [{ role: 'user', content: text }],
  ...more,
});
const post = (model: ScriptedModel, path: string, body: unknown, init: RequestInit = {}): Promise<Response> =>
  fetch(`${model.url}${path}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    signal: scope.signal,
    ...init,
  });
const chat = (model: ScriptedModel, body: Body = chatBody('hi'), init: RequestInit = {}): Promise<Response> =>
  post(model, '/v1/chat/completions', body, init);

/** The data of an event stream's frames. */
const frames = (text: string): string[] =>
  text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => frame.replace(/^event: .*\n/, '').replace(/^data: /, ''));
const events = async (response: Response): Promise<Body[]> =>
  frames(await response.text())
    .filter((data) => data !== '[DONE]')
    .map((data) => JSON.parse(data) as Body);

const full: Step = {
  reasoning: 'let me think',
  text: 'I run it 👋 now',
  tools: [{ name: 'bash', input: { command: 'ls' } }],
  usage: { input: 1000, output: 50, cachedInput: 400, reasoning: 20 },
  chunks: 3,
};

describe('chat completions', () => {
  const usage = {
    prompt_tokens: 1000,
    completion_tokens: 50,
    total_tokens: 1050,
    prompt_tokens_details: { cached_tokens: 400 },
    completion_tokens_details: { reasoning_tokens: 20 },
  };

  test('whole', async () => {
    const answer = await (await chat(await playing(full))).json();
    expect(answer).toMatchObject({
      object: 'chat.completion',
      choices: [
        {
          finish_reason: 'tool_calls',
          message: {
            role: 'assistant',
            content: full.text,
            reasoning_content: full.reasoning,
            tool_calls: [{ type: 'function', function: { name: 'bash', arguments: '{"command":"ls"}' } }],
          },
        },
      ],
      usage,
    });
  });

  test('streamed in pieces, with the usage last', async () => {
    const response = await chat(await playing(full), chatBody('hi', { stream: true }));
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const text = await response.text();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    const chunks = frames(text)
      .slice(0, -1)
      .map((data) => JSON.parse(data));
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage });
    expect(chunks.at(-2).choices[0]).toMatchObject({ delta: {}, finish_reason: 'tool_calls' });
    const deltas = chunks.slice(0, -2).map((chunk) => chunk.choices[0].delta);
    const joined = (pick: (delta: Body) => unknown): string => deltas.map((d) => pick(d) ?? '').join('');
    expect(joined((d) => d.content)).toBe(full.text);
    expect(joined((d) => d.reasoning_content)).toBe(full.reasoning);
    expect(deltas.filter((d) => d.reasoning_content)).toHaveLength(3);
    const calls = deltas.flatMap((d) => d.tool_calls ?? []);
    expect(calls[0]).toMatchObject({ index: 0, id: expect.any(String), function: { name: 'bash', arguments: '' } });
    expect(calls.map((call) => call.function.arguments).join('')).toBe('{"command":"ls"}');
  });
});

describe('responses', () => {
  const body = { model: 'm1', input: 'hi' };
  const output = [
    { type: 'reasoning', summary: [{ text: full.reasoning }] },
    { type: 'message', content: [{ type: 'output_text', text: full.text }] },
    { type: 'function_call', name: 'bash', arguments: '{"command":"ls"}', call_id: expect.any(String) },
  ];
  const usage = { input_tokens: 1000, input_tokens_details: { cached_tokens: 400 }, output_tokens: 50 };

  test('whole', async () => {
    const answer = await (await post(await playing(full), '/v1/responses', body)).json();
    expect(answer).toMatchObject({ object: 'response', status: 'completed', output, usage });
  });

  test('streamed in pieces, numbered, with the whole response last', async () => {
    const all = await events(await post(await playing(full), '/v1/responses', { ...body, stream: true }));
    expect(all.map((event) => event.sequence_number)).toEqual(all.map((_, index) => index));
    expect(all[0]).toMatchObject({ type: 'response.created' });
    expect(all.at(-1)).toMatchObject({ type: 'response.completed', response: { output, usage } });
    const deltas = all.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta);
    expect(deltas).toHaveLength(3);
    expect(deltas.join('')).toBe(full.text);
  });

  test('cut off by length is incomplete', async () => {
    const answer = await (await post(await playing({ text: 'x', finish: 'length' }), '/v1/responses', body)).json();
    expect(answer).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
  });
});

describe('messages', () => {
  const body = { model: 'm1', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] };
  const usage = { input_tokens: 600, cache_read_input_tokens: 400, output_tokens: 50 };

  test('whole', async () => {
    const answer = await (await post(await playing(full), '/v1/messages?beta=true', body)).json();
    expect(answer).toMatchObject({
      type: 'message',
      stop_reason: 'tool_use',
      content: [
        { type: 'thinking', thinking: full.reasoning },
        { type: 'text', text: full.text },
        { type: 'tool_use', name: 'bash', input: { command: 'ls' } },
      ],
      usage,
    });
  });

  test('streamed from message_start to message_stop', async () => {
    const all = await events(await post(await playing(full), '/v1/messages', { ...body, stream: true }));
    expect(all[0]).toMatchObject({ type: 'message_start', message: { content: [], usage: { input_tokens: 600 } } });
    expect(all.at(-2)).toMatchObject({ type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage });
    expect(all.at(-1)).toEqual({ type: 'message_stop' });
    const json = all.map((event) => (event.delta as Body | undefined)?.partial_json ?? '').join('');
    expect(JSON.parse(json)).toEqual({ command: 'ls' });
    const starts = all.filter((event) => event.type === 'content_block_start').map((event) => event.index);
    expect(starts).toEqual([0, 1, 2]);
  });

  test('counts tokens without taking it for a request of the model', async () => {
    const model = await start();
    const answer = await (await post(model, '/v1/messages/count_tokens', body)).json();
    expect(answer).toEqual({ input_tokens: Math.ceil(JSON.stringify(body).length / 4) });
    expect(model.requests()).toEqual([]);
  });
});

describe('faults', () => {
  test('an error has its status, headers and the form of its API', async () => {
    const error = { status: 429, message: 'slow down', retryAfterS: 7, resetAt: '2030-01-01T00:00:00Z' };
    const model = await playing({ error });
    const openai = await chat(model);
    expect(openai.status).toBe(429);
    expect(openai.headers.get('retry-after')).toBe('7');
    expect(openai.headers.get('x-ratelimit-reset')).toBe('1893456000');
    expect(await openai.json()).toMatchObject({ error: { type: 'rate_limit_error', message: 'slow down' } });
    const anthropic = await post(model, '/v1/messages', chatBody('hi'));
    expect(anthropic.headers.get('anthropic-ratelimit-requests-reset')).toBe(error.resetAt);
    expect(await anthropic.json()).toEqual({
      type: 'error',
      error: { type: 'rate_limit_error', message: 'slow down' },
    });
  });

  test('a counted fault strikes each conversation so many times, then the step is played', async () => {
    const model = await playing({ error: { status: 500, message: 'x', times: 2 }, text: 'fine' });
    const statuses = async (session: string): Promise<number[]> => {
      const found: number[] = [];
      for (let i = 0; i < 3; i += 1) {
        found.push((await chat(model, chatBody('hi'), { headers: { 'x-session-id': session } })).status);
      }
      return found;
    };
    expect(await statuses('a')).toEqual([500, 500, 200]);
    expect(await statuses('b')).toEqual([500, 500, 200]);
  });

  test.each([true, false])('a cut drops the connection in the middle (stream: %s)', async (stream) => {
    const model = await playing({ text: 'abcdefgh', chunks: 4, cut: true });
    const response = await chat(model, chatBody('hi', { stream }));
    const reader = response.body?.getReader();
    let text = '';
    const readAll = async (): Promise<void> => {
      for (;;) {
        const part = await reader?.read();
        if (!part || part.done) return;
        text += Buffer.from(part.value).toString();
      }
    };
    await expect(readAll()).rejects.toThrow();
    expect([...text.matchAll(/"content":"(..)"/g)].map((match) => match[1])).toEqual(stream ? ['ab', 'cd'] : []);
    expect(model.requests()[0]).toMatchObject({ status: 200, ending: 'cut' });
  });

  test('a hang with words says them and then nothing, until the client goes', async () => {
    const model = await playing({ text: 'abcd', chunks: 1, hang: true });
    const abort = new AbortController();
    const response = await chat(model, chatBody('hi', { stream: true }), { signal: abort.signal });
    const reader = response.body?.getReader();
    let text = '';
    while (!text.includes('abcd')) text += Buffer.from((await reader?.read())?.value ?? []).toString();
    expect(text).not.toContain('finish_reason":"stop');
    expect(model.requests()[0]).toMatchObject({ status: 200, ending: null });
    abort.abort();
    await expect.poll(() => model.requests()[0]?.ending, { timeout: 60_000 }).toBe('left');
  });

  test('a hang without words gives no answer at all', async () => {
    const model = await playing({ hang: true });
    const abort = new AbortController();
    const answer = chat(model, chatBody('hi', { stream: true }), { signal: abort.signal });
    await expect.poll(() => model.requests().length, { timeout: 60_000 }).toBe(1);
    expect(model.requests()[0]).toMatchObject({ status: null, ending: null });
    abort.abort();
    await expect(answer).rejects.toThrow();
  });
});

describe('held steps', () => {
  const script: ModelScriptInput = { otherwise: [{ hold: 'go', text: 'released' }] };

  test('wait until their name is released over HTTP, and do not wait again', async () => {
    const model = await start({ script });
    let isAnswered = false;
    const answer = chat(model).then((response) => {
      isAnswered = true;
      return response.json();
    });
    await expect.poll(() => model.requests().length, { timeout: 60_000 }).toBe(1);
    await post(model, '/__release', { name: 'another' });
    expect(isAnswered).toBe(false);
    await post(model, '/__release', { name: 'go' });
    expect(await answer).toMatchObject({ choices: [{ message: { content: 'released' } }] });
    expect(await (await chat(model)).json()).toMatchObject({ choices: [{ message: { content: 'released' } }] });
  });

  test('closing ends them', async () => {
    const model = await start({ script });
    const answer = chat(model);
    await expect.poll(() => model.requests().length, { timeout: 60_000 }).toBe(1);
    const broken = expect(answer).rejects.toThrow();
    await Promise.all([model.close(), model.close()]);
    await broken;
  });
});

describe('the log', () => {
  test('holds every request in memory, at /__log and in the file', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'gantry-model-'));
    scope.defer(() => rm(dir, { recursive: true }));
    const logFile = join(dir, 'log', 'requests.ndjson');
    const model = await start({ script: { otherwise: [{ text: 'x' }] }, logFile });
    const body = chatBody('say "x"');
    await (await chat(model, body, { headers: { 'x-session-id': 'ses_1' } })).text();
    await (await post(model, '/v1/embeddings', {})).text();
    const expected = [
      {
        at: expect.stringMatching(/^\d{4}-.*Z$/),
        endpoint: '/v1/chat/completions',
        sessionId: 'ses_1',
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        messages: 1,
        lastUserText: 'say "x"',
        body: JSON.stringify(body),
        played: { source: 'rule', index: 0, step: { text: 'x' } },
        status: 200,
        ending: 'whole',
      },
      { endpoint: '/v1/embeddings', played: null, status: 404 },
    ];
    expect(model.requests()).toMatchObject(expected);
    const served = await (await fetch(`${model.url}/__log`)).text();
    const parse = (text: string): unknown =>
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    expect(parse(served)).toMatchObject(expected);
    const { ending: _, ...first } = expected[0] as Body;
    expect(parse(await readFile(logFile, 'utf8'))).toMatchObject([first, { status: 404 }]);
  });

  test('keeps the newest 2,000', async () => {
    const model = await start();
    for (let i = 0; i < 2_010; i += 1) await (await chat(model, chatBody(`n${i}`))).text();
    expect(model.requests()).toHaveLength(2_000);
    expect(model.requests()[0]?.lastUserText).toBe('n10');
  });

  test('forgets the oldest bodies when they take too much room', async () => {
    const model = await start();
    const text = 'x'.repeat(1_200_000);
    for (let i = 0; i < 66; i += 1) await (await chat(model, chatBody(text))).text();
    const lengths = model.requests().map((request) => request.body?.length ?? 0);
    expect(lengths.slice(0, 2)).toEqual([0, 0]);
    expect(lengths.at(-1)).toBe(1_000_000);
  });
});

describe('bad requests', () => {
  test.each<[string, string, unknown, number, RegExp]>([
    ['a body that is not JSON', '/v1/chat/completions', '{"model"', 400, /no request of/],
    ['a body of another API', '/v1/messages', { model: 'm1', input: 'x' }, 400, /no request of/],
    ['a bad marker', '/v1/chat/completions', chatBody('@@model [{"txt":1}]'), 400, /@@model \[0\].*txt/],
    ['an unknown path', '/v2/what', {}, 404, /nothing at/],
    ['a path that is no path', '//', {}, 404, /nothing at/],
    ['a body that is too large', '/v1/responses', 'x'.repeat(65 * 1024 * 1024), 413, /larger/],
    ['a release without a name', '/__release', {}, 400, /name/],
  ])('%s', async (_what, path, body, status, message) => {
    const response = await post(await start(), path, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { message: expect.stringMatching(message) } });
  });

  test('the list of models', async () => {
    const response = await fetch(`${(await start()).url}/v1/models`);
    expect(await response.json()).toMatchObject({ object: 'list', data: [{ id: 'm1' }] });
  });

  test('a bad script and a taken port are refused', async () => {
    const script = { otherwise: [{ text: 3 }] } as unknown as ModelScriptInput;
    await expect(startScriptedModel({ script })).rejects.toMatchObject({
      code: 'bad_config',
      message: expect.stringContaining('otherwise[0].text'),
    });
    const { port } = await start();
    await expect(startScriptedModel({ port })).rejects.toMatchObject({ code: 'port_in_use' });
  });
});

test('many sessions at once each play their own script', async () => {
  const model = await start();
  const turn = async (n: number): Promise<string[]> => {
    const said: string[] = [];
    const history: unknown[] = [
      { role: 'user', content: `@@model [{"text":"${n}a","chunkDelayMs":1},{"text":"${n}b"}]` },
    ];
    for (let i = 0; i < 3; i += 1) {
      const answer = (await (await chat(model, { model: 'm1', messages: history })).json()) as {
        choices: { message: { content: string } }[];
      };
      const message = answer.choices[0]?.message;
      history.push(message);
      said.push(message?.content ?? '');
    }
    return said;
  };
  const all = await Promise.all(Array.from({ length: 30 }, (_, n) => turn(n)));
  expect(all).toEqual(Array.from({ length: 30 }, (_, n) => [`${n}a`, `${n}b`, 'Done.']));
});
