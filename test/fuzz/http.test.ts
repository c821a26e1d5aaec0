import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { OPERATIONS, type OperationName } from '../../src/contract/api.ts';
import { sampleEvent } from '../support/events.ts';
import { LIMIT_MS } from '../support/journal-watch.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';
import { inputOf } from './inputs.ts';

const SEED = Number(process.env.GANTRY_FUZZ_SEED ?? Date.now() % 1_000_000);
/** Requests under way at once. */
const AT_ONCE = 8;
const ROUNDS = 60;
/** What would end the daemon, and what looks at every agent program of the machine. */
const LEFT_OUT: readonly OperationName[] = ['shutdown', 'doctor'];

type Call = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
};

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'];
const mostly = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ arbitrary: usual, weight: 4 }, { arbitrary: odd, weight: 1 });
const word = fc.oneof(
  fc.constantFrom('', '0', '-1', '1e30', 'null', '..', '__proto__', "' OR 1=1", '%00', '\u0000', '*'),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
);
const query = fc.webQueryParameters({ size: 'small' });

/** Where a request may come from and what it may say of itself; what most say is in order. */
const headers = (tokens: readonly string[]): fc.Arbitrary<Record<string, string>> => {
  const usual = fc.constantFrom(...tokens).map((token) => ({
    Authorization: `Bearer ${token}`,
    'Content-Type': 'application/json',
  }));
  const odd = fc.record(
    {
      Authorization: fc.constantFrom('Bearer', 'Basic eDp4', 'Bearer nonsense', 'bearer  '),
      'Content-Type': fc.constantFrom('text/plain', 'application/x-ndjson', 'application/json; charset=utf-16', 'x'),
      Accept: fc.constantFrom('*/*', 'text/event-stream', 'text/html', 'application/json, text/event-stream', 'x'),
      Origin: fc.constantFrom('null', 'https://evil.example', 'http://localhost:5173', 'x'),
      'Content-Encoding': fc.constantFrom('gzip', 'identity'),
      'Idempotency-Key': fc.string({ maxLength: 300 }).map((key) => key.replace(/[^ -~]/g, 'x')),
      'Last-Event-ID': fc.constantFrom('0', '7', '-1', 'x', '99999999999999999999'),
      'Mcp-Session-Id': fc.constantFrom('x', '00000000-0000-4000-8000-000000000000'),
      'Mcp-Protocol-Version': fc.constantFrom('2025-06-18', '1999-01-01'),
    },
    { requiredKeys: [] },
  );
  return fc
    .tuple(
      usual,
      mostly<[Record<string, string | undefined>, number] | null>(fc.constant(null), fc.tuple(odd, fc.nat())),
    )
    .map(([given, more]): Record<string, string> => {
      if (more === null) return given;
      // One of them at a time: with all of them each request would be refused at the door.
      const all = Object.entries(more[0]);
      const one = all[more[1] % Math.max(all.length, 1)];
      return one ? { ...given, [one[0]]: one[1] ?? '' } : given;
    });
};

describe(`anything over HTTP, with seed ${SEED}`, () => {
  let world: World;
  let tokens: Readonly<Record<'admin' | 'ingest' | 'approve', string>>;
  /** Names of things that there are. */
  let known: readonly string[];

  beforeAll(async () => {
    process.stdout.write(`fuzz of HTTP: GANTRY_FUZZ_SEED=${SEED}\n`);
    world = await World.make(fake);
    await world.up();
    const token = async (scope: string): Promise<string> =>
      ((await world.gantry(['token', '--scope', scope, '--json'])).json() as { readonly token: string }).token;
    tokens = { admin: await token('admin'), ingest: await token('ingest'), approve: await token('approve') };
    const { id } = await world.submitOne([{ write: { path: 'a.txt', content: 'x' } }, { text: 'done' }]);
    await world.over(id);
    const { sessions, tasks, agents } = world.journal.view;
    const ids = [...sessions.keys(), ...tasks.keys(), ...agents.keys()];
    known = [id, ...ids, 'project', world.project.root, world.agent.backend, 'person', '1', '40'];
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const send = async ({ method, path, headers: given, body }: Call): Promise<void> => {
    const isBodiless = method === 'GET' || method === 'HEAD';
    const response = await fetch(`${world.client.url}${path}`, {
      method,
      headers: given,
      redirect: 'manual',
      signal: AbortSignal.timeout(LIMIT_MS),
      ...(!isBodiless && body !== null && { body }),
    });
    // A stream that was opened goes on for ever.
    if (response.headers.get('Content-Type')?.startsWith('text/event-stream')) await response.body?.cancel();
    else {
      const text = await response.text();
      if (response.status >= 400) expect(text).not.toMatch(/node_modules|SQLITE_|\bat .*\.ts:\d/);
      if (response.status >= 500) expect([method, path, given, body, response.status, text]).toBeNull();
    }
  };

  const hold = async (call: fc.Arbitrary<Call>, rounds = ROUNDS): Promise<void> => {
    const calls = fc.array(call, { minLength: AT_ONCE, maxLength: AT_ONCE });
    await fc.assert(
      fc.asyncProperty(calls, async (together) => {
        await Promise.all(together.map(send));
      }),
      { seed: SEED, numRuns: rounds, endOnFailure: true },
    );
    expect(await world.call('status', {})).toMatchObject({ pid: world.daemonPid });
    const errors = (await world.log()).split('\n').filter((line) => line.includes('"level":50'));
    expect(errors).toEqual([]);
  };
  const anyHeaders = (): fc.Arbitrary<Record<string, string>> =>
    headers([tokens.admin, tokens.admin, tokens.admin, tokens.admin, tokens.ingest, tokens.approve]);

  it('each operation lives with any input', { timeout: 300_000 }, async () => {
    const names = (Object.keys(OPERATIONS) as OperationName[]).filter((name) => !LEFT_OUT.includes(name));
    const call = fc.constantFrom(...names).chain((name) => {
      const operation = OPERATIONS[name];
      return fc
        .tuple(inputOf(operation.input, known), anyHeaders(), mostly(fc.constant(''), query), fc.nat(9))
        .map(([input, given, extra, odd]): Call => {
          const rest: Record<string, unknown> = { ...input };
          const path = operation.path.replace(/:(\w+)/g, (_, key: string) => {
            const value = words(rest[key] ?? '');
            delete rest[key];
            return encoded(value);
          });
          const isPost = operation.method === 'POST';
          const own = isPost ? '' : queryOf(Object.entries(rest));
          const method = odd === 0 ? 'PUT' : operation.method;
          return {
            method,
            path: `${path}?${own}&${extra}`,
            headers: given,
            body: isPost ? JSON.stringify(rest) : null,
          };
        });
    });
    await hold(call, 2 * ROUNDS);
  });

  it('the routes of events, hooks and themes live with anything', async () => {
    const place = fc.oneof(
      // What guesses tokens is answered slowly.
      { arbitrary: fc.constantFrom('/in/x', '/view/'), weight: 1 },
      { arbitrary: fc.constantFrom('', `/in/${tokens.ingest}`, `/view/${tokens.approve}`), weight: 40 },
    );
    const id = mostly(fc.constantFrom('1', '40'), word.map(encoded));
    const route = (method: string, ...paths: (string | fc.Arbitrary<string>)[]): fc.Arbitrary<[string, string]>[] =>
      paths.map((path) => fc.tuple(fc.constant(method), typeof path === 'string' ? fc.constant(path) : path));
    const routes = fc.oneof(
      ...route('POST', '/events', '/events', '/hook?source_app=a', '/api/themes', '/api/themes/import'),
      ...route(
        'POST',
        id.map((one) => `/events/${one}/respond`),
      ),
      ...route('GET', '/events/recent', '/events/filter-options', '/stream', '/api/themes', '/api/themes/stats'),
      ...route(
        'GET',
        id.map((one) => `/events/${one}/response?wait=0`),
        id.map((one) => `/api/themes/${one}/export`),
      ),
      ...route(
        'PUT',
        id.map((one) => `/api/themes/${one}`),
      ),
      ...route(
        'DELETE',
        id.map((one) => `/api/themes/${one}`),
      ),
    );
    const KEYS = [
      'limit',
      'since',
      'before',
      'from',
      'to',
      'q',
      'source_app',
      'agent',
      'sortBy',
      'sortOrder',
      'offset',
    ];
    const search = fc.array(fc.tuple(fc.constantFrom(...KEYS), word), { maxLength: 3 }).map(queryOf);
    const event = fc.record({ key: fc.constantFrom(...EVENT_KEYS), value: fc.jsonValue({ maxDepth: 4 }) });
    const body = fc.oneof(
      event.map(({ key, value }) => JSON.stringify(sampleEvent({ [key]: value }))),
      fc
        .array(event, { maxLength: 5 })
        .map((all) => JSON.stringify(all.map(({ key, value }) => sampleEvent({ [key]: value })))),
      fc.jsonValue().map((colors) => JSON.stringify({ name: 'a', displayName: 'A', colors, isPublic: true })),
      fc.json(),
      fc.string(),
    );
    const call = fc
      .tuple(
        place,
        routes,
        search,
        mostly<string | null>(fc.constant(null), fc.constantFrom(...METHODS)),
        anyHeaders(),
        body,
      )
      .map(([before, [usual, own], extra, odd, given, text]): Call => {
        const mark = own.includes('?') ? '&' : '?';
        return { method: odd ?? usual, path: `${before}${own}${mark}${extra}`, headers: given, body: text };
      });
    await hold(call);
  });

  it('the task server and what is no route live with anything', async () => {
    const METHOD_NAMES = [
      'initialize',
      'ping',
      'tools/list',
      'tools/call',
      'resources/read',
      'prompts/get',
      'tasks/get',
      'x',
    ];
    const rpc = fc
      .record({
        jsonrpc: mostly(fc.constant<unknown>('2.0'), fc.jsonValue()),
        id: mostly(fc.nat() as fc.Arbitrary<unknown>, fc.jsonValue()),
        method: mostly(fc.constantFrom<unknown>(...METHOD_NAMES), fc.jsonValue()),
        params: fc.jsonValue({ maxDepth: 3 }),
      })
      .map((message) => JSON.stringify(message));
    const segment = fc.oneof(
      fc.constantFrom('api', 'v1', 'assets', 'mcp', 'health', 'login', 'docs', 'metrics'),
      word.map(encoded),
    );
    const path = mostly(
      fc.constant('/mcp'),
      fc.array(segment, { maxLength: 5 }).map((parts) => `/${parts.join('/')}`),
    );
    const call = fc
      .tuple(
        path,
        query,
        fc.constantFrom(...METHODS, 'POST', 'POST'),
        anyHeaders(),
        fc.oneof(rpc, fc.json(), fc.string()),
      )
      .map(([own, extra, method, given, body]): Call => ({ method, path: `${own}?${extra}`, headers: given, body }));
    await hold(call);
  });

  it('WebSockets are opened or refused, whatever they ask for', async () => {
    const path = fc.constantFrom('/stream', `/view/${tokens.approve}/stream`, '/api/v1/stream', '/in/x/stream', '/');
    const KEYS = ['since', 'source_app', 'q', 'kind', 'class', 'sessionId', 'limit', 'x'];
    const search = fc.array(fc.tuple(fc.constantFrom(...KEYS), word), { maxLength: 3 });
    const said = fc.oneof(fc.json(), fc.string());
    const socket = fc.tuple(path, search, anyHeaders(), said);
    await fc.assert(
      fc.asyncProperty(fc.array(socket, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (together) => {
        await Promise.all(together.map(([own, pairs, given, words]) => openSocket(own, pairs, given, words)));
      }),
      { seed: SEED, numRuns: ROUNDS / 2, endOnFailure: true },
    );
    expect(await world.call('status', {})).toMatchObject({ pid: world.daemonPid });
  });

  async function openSocket(
    path: string,
    pairs: readonly (readonly [string, string])[],
    given: Record<string, string>,
    words: string,
  ): Promise<void> {
    const search = queryOf(pairs);
    const ws = new WebSocket(`${world.client.url.replace('http', 'ws')}${path}?${search}`, {
      headers: given,
      handshakeTimeout: LIMIT_MS,
    });
    const status = new Promise<number | null>((resolve, reject) => {
      ws.once('open', () => resolve(null));
      ws.once('unexpected-response', (_, { statusCode }) => resolve(statusCode ?? 0));
      ws.once('error', reject);
    });
    const refused = await status;
    if (refused !== null) expect([path, refused, refused < 500]).toEqual([path, refused, true]);
    else ws.send(words);
    // A handshake that is broken off is an error of ours.
    ws.on('error', () => undefined);
    const closed = new Promise((resolve) => ws.once('close', resolve));
    ws.terminate();
    await closed;
  }
});

const EVENT_KEYS = [
  ...['source_app', 'session_id', 'hook_event_type', 'payload', 'chat', 'summary', 'timestamp', 'model_name'],
  ...['humanInTheLoop', 'humanInTheLoopStatus', 'event_id', 'id', 'gantry', '__proto__'],
];
const encoded = (text: string): string => encodeURIComponent(text.toWellFormed());
const queryOf = (pairs: readonly (readonly [string, unknown])[]): string =>
  pairs.map(([key, value]) => `${encoded(key)}=${encoded(words(value))}`).join('&');
const words = (value: unknown): string => {
  if (Array.isArray(value)) return value.map(words).join(',');
  return typeof value === 'string' ? value : JSON.stringify(value);
};
