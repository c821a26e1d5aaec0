import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openTestApi, type TestApi } from '../../test/support/api.ts';
import { sampleEvent } from '../../test/support/events.ts';
import {
  brief,
  factsIn,
  isLive,
  isSeq,
  openEvents,
  openSocket,
  readUntil,
  record,
} from '../../test/support/stream-readers.ts';
import { ManualClock, systemClock } from '../base/clock.ts';
import { until } from '../base/wait.ts';
import { AppError } from '../contract/errors.ts';
import type { StreamMessage } from '../contract/fact.ts';

let api: TestApi;
let clock: ManualClock;
beforeEach(async () => {
  clock = new ManualClock();
  api = await openTestApi({ clock });
});
afterEach(async () => {
  expect((await fetch(`${api.url}/healthz`)).status, 'the server lives on').toBe(200);
  await api[Symbol.asyncDispose]();
});

/** Others get their turn, as between the commits of a daemon. */
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('a reader', () => {
  test('without a position is live at once and gets what comes', async () => {
    record(api.store, 3);
    await using reader = openSocket(api);
    expect(brief(await readUntil(reader.messages, isLive))).toEqual(['live 3']);
    record(api.store, 2);
    expect(brief(await readUntil(reader.messages, isSeq(5)))).toEqual(['fact 4', 'fact 5']);
  });

  test('with a position gets all since then, is live, and goes on', async () => {
    record(api.store, 350);
    await using reader = openSocket(api, '?since=1');
    const read = await readUntil(reader.messages, isLive);
    expect(brief(read)).toEqual([...range(2, 350).map((seq) => `fact ${seq}`), 'live 350']);
    record(api.store, 1);
    expect(brief(await readUntil(reader.messages, isSeq(351)))).toEqual(['fact 351']);
  });

  test('gets a fact as the journal has it', async () => {
    await using reader = openSocket(api, '?since=0');
    record(api.store, 1);
    const [fact] = api.store.journal.since(0).facts;
    const read = await readUntil(reader.messages, isSeq(1));
    expect(read.at(-1)).toEqual({ type: 'fact', fact });
  });

  test('is told of events of outside programs together, a little later, and of them and all else at once', async () => {
    const post = async (): Promise<unknown> => (await api.post('/events', sampleEvent(), { token: 'ingest' })).json();
    await using reader = openSocket(api);
    await readUntil(reader.messages, isLive);
    const reading = vi.spyOn(api.store.journal, 'since');
    for (const id of [1, 2, 3]) expect(await post()).toMatchObject({ id });
    clock.advance(20);
    expect(brief(await readUntil(reader.messages, isSeq(3)))).toEqual(['fact 1', 'fact 2', 'fact 3']);
    expect(reading).toHaveBeenCalledTimes(1);
    await post();
    record(api.store, 1);
    expect(brief(await readUntil(reader.messages, isSeq(5)))).toEqual(['fact 4', 'fact 5']);
  });

  test('of events gets the same as one of a WebSocket', async () => {
    record(api.store, 120, { length: 500 });
    await using socket = openSocket(api, '?since=10');
    await using events = await openEvents(api, '?since=10');
    expect(events.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(events.response.headers.get('cache-control')).toBe('no-store');
    record(api.store, 30);
    const bySocket = await readUntil(socket.messages, isSeq(150));
    const byEvents = await readUntil(events.messages, isSeq(150));
    expect(byEvents.filter((m) => m.type === 'fact')).toEqual(bySocket.filter((m) => m.type === 'fact'));
    expect(factsIn(byEvents)).toEqual(range(11, 150));
  });

  test('goes on from its Last-Event-ID, whatever the query says', async () => {
    record(api.store, 5);
    await using reader = await openEvents(api, '?since=0', { 'Last-Event-ID': '3' });
    expect(brief(await readUntil(reader.messages, isLive))).toEqual(['fact 4', 'fact 5', 'live 5']);
  });

  test('with a filter gets its own alone, and learns how far it has come', async () => {
    const requestId = 'req_000000001';
    await using reader = openSocket(api, `?since=0&kinds=notice,late&requestId=${requestId}`);
    await readUntil(reader.messages, isLive);
    api.store.commit((tx) => {
      tx.record('notice', { level: 'info', text: 'mine' }, { requestId }, 'test');
      tx.record('swept', { what: 'x', pids: [] }, { requestId }, 'test');
      tx.record('notice', { level: 'info', text: 'not mine' }, {}, 'test');
    });
    expect(brief(await readUntil(reader.messages, isSeq(1)))).toEqual(['fact 1']);
    record(api.store, 300);
    await turn();
    clock.advance(15_000);
    expect(brief(await readUntil(reader.messages, isLive))).toEqual(['live 303']);
  });

  test('20 readers of both kinds get 2,000 facts each, once and in order', async () => {
    const sockets = Array.from({ length: 10 }, () => openSocket(api, '?since=0'));
    const events = await Promise.all(Array.from({ length: 10 }, () => openEvents(api, '?since=0')));
    for (let i = 0; i < 100; i += 1) {
      record(api.store, 20, { length: 486 });
      await turn();
    }
    // All at once: the system asks ever more rarely, at last once in two minutes, whether one that reads nothing has room again.
    const read = [...sockets, ...events].map(async (reader) => {
      expect(factsIn(await readUntil(reader.messages, isSeq(2_000)))).toEqual(range(1, 2_000));
      await reader[Symbol.asyncDispose]();
    });
    await Promise.all(read);
  });

  test('that comes back from its position has neither gap nor duplicate', async () => {
    const seen: number[] = [];
    let cursor = 0;
    for (let round = 1; round <= 10; round += 1) {
      record(api.store, 37);
      await using reader = round % 2 ? openSocket(api, `?since=${cursor}`) : await openEvents(api, `?since=${cursor}`);
      const read = factsIn(await readUntil(reader.messages, isSeq(round * 37 - (round < 10 ? 5 : 0))));
      seen.push(...read);
      cursor = read.at(-1) ?? cursor;
    }
    expect(seen).toEqual(range(1, 370));
  });
});

test('much at once is no gap for a reader that takes it', async () => {
  await using fast = await openTestApi({ limits: { maxLagFacts: 50 } });
  await using reader = openSocket(fast);
  await readUntil(reader.messages, isLive);
  record(fast.store, 400);
  const read = await readUntil(reader.messages, isSeq(400));
  expect(brief(read)).toEqual(range(1, 400).map((seq) => `fact ${seq}`));
});

describe('a slow reader', () => {
  const limits = { maxBufferBytes: 65_536, maxLagFacts: 50 };
  /** More than the kernel's buffers of a loopback connection hold. */
  const FLOOD = 300;
  const flood = { length: 60_000 };

  const check = async (messages: AsyncGenerator<StreamMessage>): Promise<void> => {
    const before = await readUntil(messages, (message) => message.type === 'gap');
    const gap = before.at(-1);
    if (gap?.type !== 'gap') throw new Error('no gap');
    const facts = factsIn(before);
    expect(facts).toEqual(range(1, gap.after));
    expect(gap).toMatchObject({ before: FLOOD + 1, reason: 'slow' });
    expect(brief(await readUntil(messages, isLive))).toEqual([`live ${FLOOD}`]);
  };

  test('is told of the gap and goes on at the head', async () => {
    await using slow = await openTestApi({ limits });
    await using reader = openSocket(slow, '?since=0');
    await readUntil(reader.messages, isLive);
    reader.ws.pause();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < FLOOD; i += 1) {
      record(slow.store, 1, { from: i, ...flood });
      await turn();
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(200_000_000);
    reader.ws.resume();
    await check(reader.messages);
    record(slow.store, 1);
    expect(brief(await readUntil(reader.messages, isSeq(FLOOD + 1)))).toEqual([`fact ${FLOOD + 1}`]);
  });

  test('of events too', async () => {
    await using slow = await openTestApi({ limits });
    await using reader = await openEvents(slow, '?since=0');
    await readUntil(reader.messages, isLive);
    for (let i = 0; i < FLOOD; i += 1) {
      record(slow.store, 1, { from: i, ...flood });
      await turn();
    }
    await check(reader.messages);
  });

  test('that was never live may take its time: the journal waits', async () => {
    await using slow = await openTestApi({ limits });
    for (let i = 0; i < FLOOD; i += 1) record(slow.store, 1, { from: i, ...flood });
    await using reader = openSocket(slow, '?since=0');
    await once(reader.ws, 'open');
    reader.ws.pause();
    record(slow.store, 1);
    reader.ws.resume();
    const read = await readUntil(reader.messages, isLive);
    expect(factsIn(read)).toEqual(range(1, FLOOD + 1));
  });

  test('that is blocked for longer than allowed skips as well', async () => {
    await using slow = await openTestApi({ clock, limits: { ...limits, maxLagFacts: 1_000_000, maxLagMs: 10_000 } });
    await using reader = openSocket(slow, '?since=0');
    await readUntil(reader.messages, isLive);
    reader.ws.pause();
    for (let i = 0; i < FLOOD; i += 1) {
      record(slow.store, 1, { from: i, ...flood });
      await turn();
    }
    clock.advance(10_001);
    reader.ws.resume();
    await check(reader.messages);
  });
});

describe('a position that the journal cannot serve', () => {
  test('before what was pruned is a gap up to the head', async () => {
    record(api.store, 4);
    await api.store.prune({ streamMs: -1, observationMs: -1, stateMs: -1, maxBytes: 1e9 }, 1_000);
    await using reader = openSocket(api, '?since=2');
    // Two facts after it were removed.
    record(api.store, 1);
    expect(brief(await readUntil(reader.messages, isLive))).toEqual([
      expect.stringMatching(/^gap 2-[56] pruned$/),
      expect.stringMatching(/^live/),
    ]);
  });

  test('after the head is a gap: the database is another one', async () => {
    record(api.store, 2);
    await using reader = openSocket(api, '?since=99');
    expect(brief(await readUntil(reader.messages, isLive))).toEqual(['gap 99-3 pruned', 'live 2']);
  });
});

describe('ends', () => {
  test('events that are taken go on, events that are not are cut off', async () => {
    await using slow = await openTestApi({ clock, limits: { maxBufferBytes: 65_536 } });
    const stopped = connect(slow.port, '127.0.0.1');
    stopped.write(
      `GET /api/v1/stream HTTP/1.1\r\nHost: localhost:${slow.port}\r\nAuthorization: Bearer read\r\n` +
        'Accept: text/event-stream\r\n\r\n',
    );
    await once(stopped, 'data');
    stopped.pause();
    await using reader = await openEvents(slow);
    await readUntil(reader.messages, isLive);
    for (let i = 0; i < 300; i += 1) {
      record(slow.store, 1, { length: 60_000 });
      await readUntil(reader.messages, isSeq(i + 1));
    }
    for (let i = 0; i < 4; i += 1) {
      clock.advance(15_000);
      record(slow.store, 1);
      await readUntil(reader.messages, isSeq(301 + i));
    }
    stopped.resume();
    await once(stopped, 'close');
  });

  test('a socket that answers no ping is cut off, one that does is not', async () => {
    await using alive = openSocket(api);
    await readUntil(alive.messages, isLive);
    const dead = connect(api.port, '127.0.0.1');
    dead.write(
      `GET /api/v1/stream HTTP/1.1\r\nHost: localhost:${api.port}\r\nAuthorization: Bearer read\r\n` +
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    await once(dead, 'data');
    const answered = once(alive.ws, 'ping');
    clock.advance(15_000);
    await answered;
    // The server has read the pong when it has read what came after it on another connection's turn.
    await fetch(`${api.url}/healthz`);
    clock.advance(15_000);
    dead.resume();
    await once(dead, 'close');
    record(api.store, 1);
    expect(brief(await readUntil(alive.messages, isSeq(1)))).toEqual(['fact 1']);
  });

  test('a revoked token ends its streams with the operation that revoked it', async () => {
    await using socket = openSocket(api);
    await using events = await openEvents(api);
    await readUntil(socket.messages, isLive);
    await readUntil(events.messages, isLive);
    api.access.valid.delete('read');
    await api.send('/api/v1/tokens/x', { method: 'DELETE' });
    expect(await socket.closed).toBe(4401);
    expect((await events.messages.next()).done).toBe(true);
  });

  test('a token that expires ends its streams at the next heartbeat', async () => {
    await using reader = openSocket(api);
    await readUntil(reader.messages, isLive);
    api.access.valid.delete('read');
    clock.advance(15_000);
    expect(await reader.closed).toBe(4401);
  });

  test('a reader that sends is closed', async () => {
    await using reader = openSocket(api);
    await readUntil(reader.messages, isLive);
    reader.ws.send('{}');
    expect(await reader.closed).toBe(1003);
    await using other = openSocket(api);
    await readUntil(other.messages, isLive);
    other.ws.send('x'.repeat(1_100_000));
    expect([1006, 1009]).toContain(await other.closed);
  });

  test('a journal that cannot be read ends the stream, not the daemon', async () => {
    const since = (): never => {
      throw new AppError('store_corrupt', 'broken');
    };
    await using broken = await openTestApi({ journal: { head: () => 5, since, newest: since } });
    await using reader = openSocket(broken, '?since=0');
    expect(await reader.closed).toBe(1011);
    await using events = await openEvents(broken, '?since=0');
    expect((await events.messages.next()).done).toBe(true);
    expect((await fetch(`${broken.url}/healthz`)).status).toBe(200);
  });

  test('a closing daemon tells its readers', async () => {
    const closing = await openTestApi();
    await using socket = openSocket(closing);
    await using events = await openEvents(closing);
    await readUntil(socket.messages, isLive);
    await readUntil(events.messages, isLive);
    await closing.close(30_000);
    expect(await socket.closed).toBe(1001);
    expect((await events.messages.next()).done).toBe(true);
    await closing[Symbol.asyncDispose]();
  });

  test('a closing daemon does not wait for a reader that hangs', async () => {
    const closing = await openTestApi();
    await using reader = openSocket(closing);
    await readUntil(reader.messages, isLive);
    reader.ws.pause();
    await closing.close(0);
    reader.ws.resume();
    await reader.closed;
    await closing[Symbol.asyncDispose]();
  });
});

describe('who may read', () => {
  const cookie = (): string => `gantry_${api.port}=read`;
  const ask = async (path: string, more: readonly string[] = []): Promise<string> => {
    const socket = connect(api.port, '127.0.0.1');
    const lines = [
      `GET ${path} HTTP/1.1`,
      ...(more.some((line) => line.startsWith('Host')) ? [] : [`Host: localhost:${api.port}`]),
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      ...more,
    ];
    socket.end(`${lines.join('\r\n')}\r\n\r\n`);
    return await text(socket);
  };
  const token = 'Authorization: Bearer read';

  test.each([
    ['no token', '/api/v1/stream', [], /401 .*unauthorized/s],
    ['a wrong token', '/api/v1/stream', ['Authorization: Bearer x'], /401 .*unauthorized/s],
    ['a scope that does not read', '/api/v1/stream', ['Authorization: Bearer ingest'], /403 .*forbidden/s],
    ['a foreign Origin', '/api/v1/stream', [token, 'Origin: https://evil.example'], /403 .*foreign_origin/s],
    ['a foreign Host', '/api/v1/stream', [token, 'Host: evil.example'], /403 .*foreign_origin/s],
    ['another path', '/api/v1/status', [token], /404 .*not_found/s],
    ['a bad position', '/api/v1/stream?since=-1', [token], /400 .*since: a position/s],
    ['an unknown kind', '/api/v1/stream?kinds=notice,nope', [token], /400 .*project\.changed/s],
    ['an unknown name', '/api/v1/stream?sinc=1', [token], /400 .*sinc/s],
  ])('%s is refused', async (_, path, headers, answer) => {
    expect(await ask(path, headers)).toMatch(answer);
  });

  test('a cookie needs our own Origin', async () => {
    expect(await ask('/api/v1/stream', [`Cookie: ${cookie()}`])).toMatch(/403 .*foreign_origin/s);
    const own = [`Cookie: ${cookie()}`, `Origin: http://localhost:${api.port}`];
    expect(await ask('/api/v1/stream', own)).toMatch(/101 Switching Protocols/);
  });

  test('events are refused as problems', async () => {
    const get = (query: string, given: string, accept = 'text/event-stream') =>
      api.send(`/api/v1/stream${query}`, { token: given, headers: { accept } });
    expect((await get('', 'ingest')).status).toBe(403);
    expect((await get('?since=x', 'read')).status).toBe(400);
    expect((await get('', 'read', 'application/json')).status).toBe(400);
    const head = await api.send('/api/v1/stream', { method: 'HEAD', headers: { accept: 'text/event-stream' } });
    expect(head.status).toBe(405);
  });

  test('one reader too many is told so', async () => {
    await using small = await openTestApi({ limits: { maxReaders: 1 }, clock: systemClock });
    const first = openSocket(small);
    await readUntil(first.messages, isLive);
    await using second = await openEvents(small);
    expect([second.response.status, await second.response.json()]).toEqual([
      503,
      expect.objectContaining({ code: 'overloaded' }),
    ]);
    await first[Symbol.asyncDispose]();
    // The server learns of it a moment after its reader.
    const status = await until(
      async () => {
        await using third = await openEvents(small);
        return third.response.status === 200 ? 200 : null;
      },
      { everyMs: 5, limitMs: 60_000 },
      () => new Error('no room after a reader left'),
    );
    expect(status).toBe(200);
  });
});
