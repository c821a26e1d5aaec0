import { describe, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../../../test/support/api.ts';
import { followEvents, sampleEvent } from '../../../test/support/events.ts';
import { sampleAttempt, sampleTask } from '../../../test/support/rows.ts';
import { GANTRY, PERSON, sampleSession, seed } from '../../../test/support/store.ts';

const recent = async (api: TestApi, query = ''): Promise<Record<string, unknown>[]> => {
  const response = await api.send(`/events/recent${query}`, { token: 'read' });
  expect(response.status).toBe(200);
  return (await response.json()) as never;
};
const postOne = async (api: TestApi, over: Record<string, unknown> = {}): Promise<Record<string, unknown>> => {
  const response = await api.post('/events', sampleEvent(over), { token: 'ingest' });
  expect(response.status).toBe(200);
  return (await response.json()) as never;
};

describe('POST /events', () => {
  it('echoes what was sent with its id, keeps what nobody knows, and drops what only Gantry says', async () => {
    await using api = await openTestApi();
    const sent = {
      unknown: [1],
      summary: '',
      model_name: 'm',
      timestamp: 1_700_000_000_000,
      chat: [{ text: 'hello' }],
    };
    const forged = { id: 99, received_at: 1, humanInTheLoopStatus: { status: 'responded' }, gantry: { token: 'x' } };
    const echoed = await postOne(api, { ...sent, ...forged });
    expect(echoed).toEqual({ ...sampleEvent(), ...sent, id: 1, received_at: expect.any(Number) });
    const { summary: _, ...kept } = echoed;
    expect(await recent(api)).toEqual([kept]);
  });

  it('takes `__proto__` and `constructor` as plain keys', async () => {
    await using api = await openTestApi();
    const text = JSON.stringify(sampleEvent()).replace('{', '{"__proto__":{"a":1},"constructor":2,');
    await api.post('/events', text, { token: 'ingest' });
    const response = await api.send('/events/recent', { token: 'read' });
    expect(await response.text()).toContain('"__proto__":{"a":1},"constructor":2');
  });

  it('masks a secret before it is stored, the same way every time', async () => {
    await using api = await openTestApi();
    const key = 'sk-proj-abcdefghijklmnop1234';
    await postOne(api, { payload: { env: `OPENAI=${key}` }, chat: [{ password: 'hunter22' }], [key]: key });
    const response = await api.send('/events/recent', { token: 'read' });
    const text = await response.text();
    expect(text).not.toContain(key);
    expect(text).not.toContain('hunter22');
    expect(new Set(text.match(/\[secret:key:[0-9a-f]{8}\]/g)).size).toBe(1);
  });

  it('takes an array and lines, says which were refused, and repeats an answer to the same key', async () => {
    await using api = await openTestApi();
    const good = (n: number) => sampleEvent({ payload: { n } });
    const batch = [good(0), { source_app: 'x' }, good(1)];
    const headers = { 'Idempotency-Key': 'once' };
    const first = (await (await api.post('/events', batch, { token: 'ingest', headers })).json()) as never;
    expect(first).toMatchObject({ accepted: 2, ids: [1, 2], rejected: [{ index: 1 }] });
    const again = await api.post('/events', batch, { token: 'ingest', headers });
    expect(await again.json()).toMatchObject({ ids: [1, 2] });
    const lines = [JSON.stringify(good(2)), 'no json', JSON.stringify({ ...good(3), event_id: 'e3' })].join('\n');
    const ndjson = { 'Content-Type': 'application/x-ndjson' };
    const third = await api.post('/events', lines, { token: 'ingest', headers: ndjson });
    expect(await third.json()).toMatchObject({ accepted: 2, ids: [3, 4], rejected: [{ index: 1 }] });
    expect(await postOne(api, { event_id: 'e3' })).toMatchObject({ id: 4 });
    expect(await recent(api)).toHaveLength(4);
  });

  it('takes a thousand as an array and as lines, without the three that are bad, and none of them again', async () => {
    await using api = await openTestApi();
    const BAD = new Map<number, unknown>([
      [0, { source_app: 'x' }],
      [500, sampleEvent({ payload: 'text' })],
      [999, null],
    ]);
    const batch = Array.from({ length: 1_000 }, (_, n) => (BAD.has(n) ? BAD.get(n) : sampleEvent({ payload: { n } })));
    const lines = batch.map((event) => JSON.stringify(event)).join('\n');
    const post = async (body: unknown, key: string, type: string) => {
      const headers = { 'Idempotency-Key': key, 'Content-Type': type };
      const response = await api.post('/events', body, { token: 'ingest', headers });
      return (await response.json()) as { ids: number[]; rejected: { index: number; error: object }[] };
    };
    for (const [body, key, type] of [
      [batch, 'array', 'application/json'],
      [lines, 'lines', 'application/x-ndjson'],
    ] as const) {
      const { ids, rejected } = await post(body, key, type);
      expect([new Set(ids).size, ids]).toEqual([997, ids.toSorted((a, b) => a - b)]);
      expect(rejected.map(({ index }) => index)).toEqual([...BAD.keys()]);
      const payload = { path: 'payload', message: 'expected an object' };
      expect(rejected.map(({ error }) => error)).toMatchObject([
        { code: 'bad_request', error: expect.stringContaining('Missing required fields: session_id') },
        { code: 'bad_request', error: 'Invalid request: payload: expected an object', errors: [payload] },
        { code: 'bad_request', error: 'Invalid request: an event is a JSON object' },
      ]);
      expect((await post(body, key, type)).ids).toEqual(ids);
    }
    expect(api.store.journal.head()).toBe(2 * 997);
  });

  it('takes as many lines as may come at once, and does not count those beyond', async () => {
    await using api = await openTestApi({ eventLimits: { maxBatch: 2 } });
    const event = JSON.stringify(sampleEvent());
    const post = (body: string) =>
      api.post('/events', body, { token: 'ingest', headers: { 'Content-Type': 'application/x-ndjson' } });
    const taken = await post(`\n${event}\r\n \n\n${event}\n\n`);
    expect(await taken.json()).toMatchObject({ accepted: 2, ids: [1, 2], rejected: [] });
    const refused = await post(`${event}\n${event}\n${'1\n'.repeat(1_000)}`);
    expect(refused.status).toBe(413);
    expect(await refused.json()).toMatchObject({ code: 'too_large', error: 'more than 2 events at once' });
    expect(await recent(api)).toHaveLength(2);
  });

  it('keeps a transcript once for a session and hands out what each event came with', async () => {
    await using api = await openTestApi();
    const messages = Array.from({ length: 5 }, (_, i) => ({ role: 'user', text: `message ${i}` }));
    await postOne(api, { chat: messages.slice(0, 2) });
    await postOne(api, { chat: messages });
    await postOne(api, { chat: [{ text: 'another story' }] });
    const chats = (await recent(api)).map(({ chat }) => chat);
    expect(chats).toEqual([messages.slice(0, 2), messages, [{ text: 'another story' }]]);
    const stored = api.store.journal.recent(3).map(({ data }) => JSON.stringify(data));
    expect(stored.join()).not.toContain('message 0');
  });
});

describe('GET /events', () => {
  it('hands out transcripts of the newest events, says of how many messages older ones are, and pages what is large', async () => {
    await using api = await openTestApi({
      eventLimits: { maxBodyBytes: 20_000, maxInitial: 10_000, maxRecent: 2_000 },
    });
    const messages = Array.from({ length: 12 }, (_, i) => ({ text: `${i} ${'x'.repeat(1_000)}` }));
    for (let n = 1; n <= 12; n += 1) await postOne(api, { hook_event_type: 'Stop', chat: messages.slice(0, n) });
    const newest = await recent(api);
    expect(newest.at(-1)).toMatchObject({ id: 12, chat: messages });
    expect(newest.at(-2)).toMatchObject({ id: 11, chatOmitted: 11 });
    expect(newest.length).toBeLessThan(12);
    const all: unknown[] = [];
    for (let page = await recent(api, '?since=0'); page.length > 0; ) {
      expect(page.length).toBeLessThan(12);
      all.push(...page.map(({ id }) => id));
      page = await recent(api, `?since=${all.at(-1)}`);
    }
    expect(all).toEqual(messages.map((_, i) => i + 1));
  });

  it('reads no more transcripts at once for who goes on in a stream than go out together', async () => {
    await using api = await openTestApi();
    const messages = Array.from({ length: 10 }, (_, i) => ({ text: `${i} ${'x'.repeat(200_000)}` }));
    for (let n = 1; n <= 10; n += 1) await postOne(api, { hook_event_type: 'Stop', chat: messages.slice(0, n) });
    const all = { sources: [], sessions: [], types: [], projects: [], tasks: [], agents: [] };
    const { events, next } = api.events.page(0, all, 100);
    expect([events.map(({ seq }) => seq), next]).toEqual([[1, 2, 3], 3]);
    await using stream = followEvents(api.url, '/view/read/stream?since=0');
    for (let n = 1; n <= 10; n += 1) {
      expect(await stream.next()).toMatchObject({ data: { id: n, chat: { length: n } } });
    }
  });

  it('reads pages in the order of receipt, filtered, and offers the names there are', async () => {
    await using api = await openTestApi();
    for (const [app, session] of [
      ['b', 's1'],
      ['a', 's2'],
      ['b', 's3'],
      ['b', 's1'],
    ]) {
      await postOne(api, { source_app: app, session_id: session, timestamp: app === 'a' ? 1 : undefined });
    }
    const ids = async (query: string) => (await recent(api, query)).map(({ id }) => id);
    expect(await ids('?limit=2')).toEqual([3, 4]);
    expect(await ids('?since=1&limit=2')).toEqual([2, 3]);
    expect(await ids('?before=3&limit=1')).toEqual([2]);
    expect(await ids('?source_app=b&session_id=s1&session_id=s3')).toEqual([1, 3, 4]);
    const options = await api.send('/events/filter-options', { token: 'read' });
    expect(await options.json()).toEqual({
      source_apps: ['a', 'b'],
      session_ids: ['s1', 's3', 's2'],
      hook_event_types: ['PreToolUse'],
    });
  });

  it('finds by words and by names what is indexed and what is not yet, in the order that was asked for', async () => {
    await using api = await openTestApi();
    for (let n = 0; n < 6; n += 1) {
      await postOne(api, {
        source_app: n % 3 === 0 ? 'rare app' : '???',
        payload: { note: `number${n % 2} periwinkle` },
      });
    }
    const ids = async (query: string) => (await recent(api, query)).map(({ id }) => id);
    expect(await ids('?source_app=rare+app')).toEqual([1, 4]);
    expect(await ids('?source_app=rare')).toEqual([]);
    expect(await ids('?source_app=%3F%3F%3F&limit=2')).toEqual([5, 6]);
    expect(await ids('?source_app=rare+app&source_app=%3F%3F%3F&since=2&limit=2')).toEqual([3, 4]);
    expect(await ids('?q=periwinkle&limit=2')).toEqual([5, 6]);
    expect(await ids('?q=periwinkle&since=1&limit=2')).toEqual([2, 3]);
    expect(await ids('?q=number1+periwinkle&source_app=rare+app')).toEqual([4]);
    expect(await ids('?q=%00number0&before=5')).toEqual([1, 3]);
    await postOne(api, { source_app: 'rare app' });
    expect(await ids('?source_app=rare+app&since=4')).toEqual([7]);
    expect(await ids('?source_app=rare+app&limit=1')).toEqual([7]);
    for (const bad of ['?q=%2A%2A', '?q=colour:red', '?q=']) {
      const response = await api.send(`/events/recent${bad}`, { token: 'read' });
      expect([bad, response.status]).toEqual([bad, 400]);
    }
  });

  it('finds what came in a span of time, and what Gantry’s own agents have sent', async () => {
    await using api = await openTestApi();
    const { store } = api;
    seed(store);
    store.commit((tx) => {
      tx.tasks.insert(sampleTask(1), PERSON);
      tx.attempts.insert(sampleAttempt(1), PERSON);
      tx.sessions.insert(sampleSession(1, { nativeId: 'of-an-agent', attemptId: sampleAttempt(1).id }), GANTRY);
    });
    const first = await postOne(api, { session_id: 'of-an-agent' });
    await postOne(api);
    const last = await postOne(api, { session_id: 'of-an-agent', hook_event_type: 'Stop' });
    const ids = async (query: string) => (await recent(api, query)).map(({ id }) => id);
    const both = [first.id, last.id];
    for (const own of ['project=demo', `task=${sampleTask(1).id}`, 'agent=demo/worker/w1', `project=prj_000000001`]) {
      expect([own, await ids(`?${own}`)]).toEqual([own, both]);
    }
    expect(await ids('?agent=demo/worker/w1&hook_event_type=Stop')).toEqual([last.id]);
    expect(await ids('?agent=demo/worker/w')).toEqual([]);
    expect((await api.send('/events/recent?project=unknown', { token: 'read' })).status).toBe(404);
    const end = Number(last.received_at) + 1;
    expect(await ids(`?from=${first.received_at}&to=${end}&agent=demo/worker/w1`)).toEqual(both);
    expect(await ids(`?to=${first.received_at}`)).toEqual([]);
    expect(await ids(`?from=${end}`)).toEqual([]);
    await using stream = followEvents(api.url, '/view/read/stream?agent=demo/worker/w1');
    expect(await stream.next()).toMatchObject({ type: 'initial', data: both.map((id) => ({ id })) });
    await postOne(api);
    const next = await postOne(api, { session_id: 'of-an-agent' });
    expect(await stream.next()).toMatchObject({ type: 'event', data: { id: next.id } });
  });

  it('sends a stream what there is, then each event once it is durable; `since` goes on from an id', async () => {
    await using api = await openTestApi();
    await postOne(api);
    await using old = followEvents(api.url, '/view/read/stream');
    expect(await old.next()).toMatchObject({ type: 'initial', data: [{ id: 1 }] });
    old.ws.send('clients may say what they like');
    await postOne(api, { model_name: '' });
    expect(await old.next()).toMatchObject({ type: 'event', data: { id: 2, model_name: '' } });
    await using resumed = followEvents(api.url, '/view/read/stream?since=1');
    expect(await resumed.next()).toMatchObject({ type: 'event', data: { id: 2 } });
    await postOne(api);
    expect(await resumed.next()).toMatchObject({ type: 'event', data: { id: 3 } });
    expect(await old.next()).toMatchObject({ type: 'event', data: { id: 3 } });
  });
});

describe('a path that is a token', () => {
  it('reaches only its own routes, by its own token', async () => {
    await using api = await openTestApi();
    const status = async (path: string, init: Parameters<TestApi['send']>[1] = {}) =>
      (await api.send(path, { token: null, ...init })).status;
    const post = { method: 'POST', body: JSON.stringify(sampleEvent()) };
    expect(await status('/in/ingest/events', post)).toBe(200);
    expect(await status('//in//ingest/events', post)).toBe(200);
    expect(await status('/in/read/events', post)).toBe(403);
    expect(await status('/in/unknown/events', { ...post, token: 'admin' })).toBe(401);
    expect(await status('/in/ingest/events/recent')).toBe(404);
    expect(await status('/view/read/events/recent')).toBe(200);
    expect(await status('/view/read/events', post)).toBe(404);
    expect(await status('/view/read/api/v1/status')).toBe(404);
    expect(await status('/view/ingest/events/recent')).toBe(403);
    expect(await status('/view/read/events/recent', { method: 'DELETE' })).toBe(405);
  });

  it('lets pages of this machine in and no others, with or without an error', async () => {
    await using api = await openTestApi();
    const from = (origin: string, path = '/view/read/events/recent', method = 'GET') =>
      api.send(path, { token: null, method, headers: { Origin: origin } });
    const own = await from('http://localhost:5173');
    expect(own.status).toBe(200);
    expect(own.headers.get('Access-Control-Allow-Origin')).toBe('http://localhost:5173');
    expect(own.headers.get('Vary')).toBe('Origin');
    const refused = await from('http://localhost:5173', '/view/wrong/events/recent');
    expect([refused.status, refused.headers.get('Access-Control-Allow-Origin')]).toEqual([
      401,
      'http://localhost:5173',
    ]);
    expect(await refused.text()).not.toContain('wrong');
    for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example:5173']) {
      const foreign = await from(origin);
      expect([foreign.status, foreign.headers.get('Access-Control-Allow-Origin')]).toEqual([403, null]);
    }
    const preflight = await from('http://127.0.0.1:8080', '/view/any/events/recent', 'OPTIONS');
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('Access-Control-Allow-Methods')).toBe('GET, POST, PUT, DELETE');
    const form = await api.send('/in/ingest/events', {
      token: null,
      method: 'POST',
      body: JSON.stringify(sampleEvent()),
      headers: { Origin: 'http://localhost:1', 'Content-Type': 'text/plain' },
    });
    expect(form.status).toBe(415);
    await using page = followEvents(api.url, '/view/read/stream', { Origin: 'https://evil.example' });
    expect(await page.refused).toContain('403');
  });
});
