import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { openTestApi } from '../../../test/support/api.ts';
import { sampleEvent } from '../../../test/support/events.ts';
import { until } from '../../base/wait.ts';
import { type PlainPost, PostFront, plainPost } from './front.ts';

const soon = <T>(check: () => T | null): Promise<T> =>
  until(check, { everyMs: 5, limitMs: 60_000 }, () => new Error('it did not come'));

/** A socket and all that came back on it. */
async function dial(port: number) {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  let said = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    said = Buffer.concat([said, bytes]);
  });
  socket.on('error', () => socket.destroy());
  return {
    socket,
    /** So many whole answers. */
    answers: (count: number) => soon(() => answersIn(said.toString('latin1'), count)),
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

type Answer = { readonly status: string; readonly fields: readonly string[]; readonly body: string };

/** Null: they are not all there yet. */
function answersIn(text: string, count: number): readonly Answer[] | null {
  const found: Answer[] = [];
  for (let rest = text; found.length < count; ) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return null;
    const [status = '', ...fields] = rest.slice(0, end).split('\r\n');
    const length = Number(/^content-length: (\d+)$/im.exec(rest.slice(0, end))?.[1] ?? 0);
    const body = rest.slice(end + 4, end + 4 + length);
    if (body.length < length) return null;
    rest = rest.slice(end + 4 + length);
    found.push({ status, fields: fields.filter((field) => !field.startsWith('Date: ')), body });
  }
  return found;
}

/** What differs between two that are the same event. */
const plain = ({ status, fields, body }: Answer): Answer => ({
  status,
  fields: fields.map((field) => field.replace(/^Content-Length: \d+$/, 'Content-Length: n')),
  body: body.replace(/"(id|received_at)":\d+/g, '"$1":0').replace(/"ids":\[[\d,]+\]/, '"ids":[]'),
});

const EVENT = JSON.stringify(sampleEvent({ timestamp: 1_700_000_000_000 }));

type Asked = {
  readonly line?: string;
  readonly fields?: readonly string[];
  readonly token?: string | null;
  readonly host?: string;
};

const request = (body: string | Buffer, { line, fields = [], token = 'ingest', host }: Asked, port: number): Buffer => {
  const head = [
    line ?? 'POST /events HTTP/1.1',
    `Host: ${host ?? `127.0.0.1:${port}`}`,
    ...(token === null ? [] : [`Authorization: Bearer ${token}`]),
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...fields,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), Buffer.from(body)]);
};

async function answerTo(port: number, bytes: Buffer): Promise<Answer> {
  using client = await dial(port);
  client.socket.write(bytes);
  const [answer] = await client.answers(1);
  if (!answer) throw new Error('no answer');
  return plain(answer);
}

const CASES: readonly (readonly [name: string, body: string | Buffer, asked: Asked, status: number])[] = [
  ['an event', EVENT, {}, 200],
  ['an event with its type', EVENT, { fields: ['Content-Type: application/json; charset=utf-8'] }, 200],
  ['an event on a path that is the token', EVENT, { line: 'POST /in/ingest/events HTTP/1.1', token: null }, 200],
  ['an event beyond ASCII', JSON.stringify(sampleEvent({ timestamp: 1, payload: { a: 'héé → 🚀' } })), {}, 200],
  ['an event with a secret', JSON.stringify(sampleEvent({ timestamp: 1, API_KEY: 'hunter22' })), {}, 200],
  ['an array', `[${EVENT},{}]`, {}, 200],
  ['lines', `${EVENT}\n${EVENT}`, { fields: ['Content-Type: application/x-ndjson'] }, 200],
  ['a form’s type', EVENT, { fields: ['Content-Type: application/x-www-form-urlencoded'] }, 200],
  ['no token', EVENT, { token: null }, 401],
  ['a wrong token', EVENT, { token: 'nobody' }, 401],
  ['a token that may only read', EVENT, { token: 'read' }, 403],
  ['a foreign host', EVENT, { host: 'evil.example' }, 403],
  ['a foreign origin', EVENT, { fields: ['Origin: http://evil.example'] }, 403],
  ['a key', EVENT, { fields: ['Idempotency-Key: a key'] }, 400],
  ['no JSON', '{', {}, 400],
  ['a field that is missing', '{"source_app":"a"}', {}, 400],
  ['deep JSON', `{"payload":${'['.repeat(300)}${']'.repeat(300)}}`, {}, 400],
  ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), {}, 400],
  ['a body that is encoded', EVENT, { fields: ['Content-Encoding: gzip'] }, 415],
  ['another path', EVENT, { line: 'POST /nothing HTTP/1.1' }, 404],
  ['another method', EVENT, { line: 'PUT /events HTTP/1.1' }, 405],
];

it.each(CASES)('answers %s as the HTTP server does', async (_, body, asked, status) => {
  await using api = await openTestApi();
  const answer = await answerTo(api.port, request(body, asked, api.port));
  expect(answer.status).toContain(` ${status} `);
  // The front knows no such field.
  const fields = [...(asked.fields ?? []), 'X-Unknown: 1'];
  expect(answer).toEqual(await answerTo(api.port, request(body, { ...asked, fields }, api.port)));
});

it('answers one after the other on a connection, whatever comes between', async () => {
  await using api = await openTestApi();
  using client = await dial(api.port);
  const post = (n: number) => request(JSON.stringify(sampleEvent({ payload: { n } })), {}, api.port);
  client.socket.write(post(1));
  await client.answers(1);
  const recent = `GET /events/recent HTTP/1.1\r\nHost: 127.0.0.1:${api.port}\r\nAuthorization: Bearer read\r\n\r\n`;
  client.socket.write(Buffer.concat([post(2), post(3)]));
  client.socket.write(recent);
  client.socket.write(post(4));
  const answers = await client.answers(5);
  // Which events a reader sees that asks before they are durable is left open.
  const numbers = answers.map(({ body }) => [...body.matchAll(/"n":(\d)/g)].map(([, n]) => Number(n)));
  expect(numbers.map(([first]) => first)).toEqual([1, 2, 3, 1, 4]);
});

it('answers a sender that has closed its side', async () => {
  await using api = await openTestApi();
  for (const body of [EVENT, '{']) {
    using client = await dial(api.port);
    client.socket.end(request(body, {}, api.port));
    await client.answers(1);
  }
});

it('leaves no connection behind when the server closes', async () => {
  await using api = await openTestApi();
  using silent = await dial(api.port);
  using kept = await dial(api.port);
  kept.socket.write(request(EVENT, {}, api.port));
  await kept.answers(1);
  const ended = [silent, kept].map(({ socket }) => once(socket, 'close'));
  await api.close(60_000);
  await Promise.all(ended);
});

it('takes only what is whole and plain, and gives everything else away with all its bytes', async () => {
  const taken: string[] = [];
  const given: string[] = [];
  const waiting: (() => void)[] = [];
  const front = new PostFront({
    take: async (_: PlainPost, body) => {
      taken.push(body.toString());
      if (body.toString() === 'bad') throw new Error('refused');
      await new Promise<void>((resolve) => waiting.push(resolve));
      return '{}';
    },
    serve: (socket: Socket) => {
      socket.on('data', (bytes) => given.push(bytes.toString()));
      socket.on('end', () => socket.end());
    },
  });
  await using server = createServer({ allowHalfOpen: true }, (socket) => front.accept(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  const post = (body: string): string => request(body, {}, port).toString();
  {
    using client = await dial(port);
    client.socket.write(post('one'));
    await soon(() => (waiting.length === 1 ? true : null));
    // Comes before its turn: it waits.
    client.socket.write(post('two'));
    waiting[0]?.();
    await soon(() => (waiting.length === 2 ? true : null));
    client.socket.write(post('bad'));
    waiting[1]?.();
    await soon(() => (given.length > 0 ? true : null));
    expect(taken).toEqual(['one', 'two', 'bad']);
    expect(given.join('')).toBe(post('bad'));
    client.socket.write(post('three'));
    await soon(() => (given.join('') === post('bad') + post('three') ? true : null));
    expect(taken).toHaveLength(3);
  }
  front.close();
});

const HEAD = ['POST /events HTTP/1.1', 'Host: a', 'Authorization: Bearer t', 'Content-Length: 2'];

it.each([
  [['POST /events HTTP/1.0', ...HEAD.slice(1)]],
  [['POST /events?x HTTP/1.1', ...HEAD.slice(1)]],
  [['POST //events HTTP/1.1', ...HEAD.slice(1)]],
  [HEAD.slice(0, 3)],
  [[...HEAD, 'Content-Length: 2']],
  [[...HEAD, 'Content-Length : 2']],
  [[...HEAD, 'Host: b']],
  [[...HEAD, ' folded: x']],
  [[...HEAD, 'Transfer-Encoding: chunked']],
  [[...HEAD, 'Expect: 100-continue']],
  [[...HEAD, 'Upgrade: websocket']],
  [[...HEAD, 'Connection: close']],
  [[...HEAD, 'Cookie: a=b']],
  [[...HEAD, 'Accept: a\nb']],
  [[...HEAD, 'Accept: \x00']],
  [[...HEAD, 'X-Unknown: 1']],
  [['POST /events HTTP/1.1', 'Host: a', 'Content-Length: 2']],
])('leaves the head %j to the HTTP server', (lines) => {
  expect(plainPost(lines.join('\r\n'))).toBeNull();
});

it('reads a plain head', () => {
  expect(plainPost([...HEAD, 'connection: Keep-Alive', 'Accept: */*'].join('\r\n'))).toEqual({
    url: '/events',
    headers: { host: 'a', authorization: 'Bearer t' },
    length: 2,
  });
});
