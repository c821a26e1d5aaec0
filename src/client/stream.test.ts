import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openTestApi } from '../../test/support/api.ts';
import { brief, isLive, isSeq, readUntil, record } from '../../test/support/stream-readers.ts';
import type { OutputOf } from '../contract/api.ts';
import { NO_SUBJECT, type StreamMessage } from '../contract/fact.ts';
import { createClient, followView } from './client.ts';
import { readEvents } from './events.ts';
import { followFacts } from './facts.ts';
import { watchSilence } from './silence.ts';
import type { ViewSource } from './view.ts';

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Passes bytes on to `port`, and cuts each connection after more bytes than the one before. */
async function openCutter(step: number) {
  const sockets = new Set<Socket>();
  const target = { port: 0 };
  let cuts = 0;
  const server = createServer((socket) => {
    const daemon = connect(target.port, '127.0.0.1');
    cuts += 1;
    let left = cuts * step;
    socket.pipe(daemon);
    daemon.on('data', (chunk) => {
      socket.write(chunk.subarray(0, Math.max(0, left)));
      left -= chunk.length;
      if (left <= 0) daemon.destroy();
    });
    daemon.on('close', () => socket.end());
    socket.on('close', () => daemon.destroy());
    for (const side of [socket, daemon]) {
      sockets.add(side);
      side.on('error', () => side.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
  };
  return { port, target, cuts: () => cuts, [Symbol.asyncDispose]: close };
}

describe('the stream', () => {
  test('goes on over cut connections, each fact once and in order', async () => {
    await using cutter = await openCutter(2_345);
    await using api = await openTestApi({ names: [`127.0.0.1:${cutter.port}`] });
    cutter.target.port = api.port;
    record(api.store, 300, { length: 200 });
    const client = createClient({ url: `http://127.0.0.1:${cutter.port}`, token: 'read' });
    const seen: number[] = [];
    for await (const message of client.stream({ since: 0 })) {
      if (message.type === 'gap') throw new Error('a gap');
      if (message.type === 'fact') seen.push(message.fact.seq);
      if (seen.at(-1) === 300) break;
    }
    expect(seen).toEqual(range(1, 300));
    expect(cutter.cuts()).toBeGreaterThan(5);
  });

  test('goes on after a restart of the daemon', async () => {
    await using first = await openTestApi();
    const { port, store } = first;
    const client = createClient({ url: first.url, token: 'read' });
    const messages = client.stream();
    expect(brief(await readUntil(messages, isLive))).toEqual(['live 0']);
    record(store, 2);
    expect(brief(await readUntil(messages, isSeq(2)))).toEqual(['fact 1', 'fact 2']);
    await first.close(0);
    record(store, 2);
    await using second = await openTestApi({
      port,
      journal: store.journal,
      onCommit: (listener) => store.onCommit(listener),
    });
    expect(brief(await readUntil(messages, isLive))).toEqual(['fact 3', 'fact 4', 'live 4']);
    record(store, 1);
    expect(brief(await readUntil(messages, isSeq(5)))).toEqual(['fact 5']);
    await messages.return();
    expect(second.port).toBe(port);
  });

  test('takes the filter of facts.list', async () => {
    await using api = await openTestApi();
    const requestId = 'req_000000001';
    api.store.commit((tx) => {
      tx.record('notice', { level: 'info', text: 'mine' }, { requestId }, 'test');
      tx.record('swept', { what: 'x', pids: [] }, { requestId }, 'test');
      tx.record('notice', { level: 'info', text: 'not mine' }, {}, 'test');
    });
    const { stream } = createClient({ url: api.url, token: 'read' });
    const read = (filter: Parameters<typeof stream>[0]) => readUntil(stream({ since: 0, ...filter }), isLive);
    expect(brief(await read({ kind: ['notice', 'late'], requestId }))).toEqual(['fact 1', 'live 3']);
    expect(brief(await read({ class: 'state', requestId }))).toEqual(['fact 1', 'fact 2', 'live 3']);
    await expect(read({ kind: 'nonsense' })).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('ends when its signal aborts, also while it waits for a daemon', async () => {
    await using api = await openTestApi();
    const abort = new AbortController();
    const client = createClient({ url: api.url, token: 'read' });
    const messages = client.stream({ signal: abort.signal });
    await readUntil(messages, isLive);
    const next = messages.next();
    abort.abort();
    expect(await next).toEqual({ done: true, value: undefined });

    await api.close(0);
    const other = new AbortController();
    const waiting = client.stream({ signal: other.signal }).next();
    other.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  test('says what it is refused for, and gives up when it is told to', async () => {
    await using api = await openTestApi();
    const refused = createClient({ url: api.url, token: 'ingest' }).stream().next();
    await expect(refused).rejects.toMatchObject({ code: 'forbidden' });
    await api.close(0);
    const gone = createClient({ url: api.url, token: 'read' }).stream({ giveUpMs: 10 }).next();
    await expect(gone).rejects.toMatchObject({ code: 'daemon_unreachable' });
  });

  test('a connection without a sign of life is given up', async () => {
    const silence = watchSilence(15);
    await once(silence.signal, 'abort');
    silence.stop();
    expect(silence.signal.aborted).toBe(true);
  });
});

describe('facts', () => {
  const fact = (seq: number): StreamMessage => ({
    type: 'fact',
    fact: { ...NO_SUBJECT, seq, at: 0, kind: 'notice', actor: 'test', data: { level: 'info', text: '' } },
  });
  const gap = (after: number, before: number, reason: 'slow' | 'pruned') =>
    ({ type: 'gap', after, before, reason }) as const;

  test('are read again where a slow reader had a gap', async () => {
    const asked: (number | undefined)[] = [];
    const connections = [
      [fact(4), gap(4, 9, 'slow'), fact(9)],
      [fact(5), fact(6), { type: 'live', seq: 8 } as const, gap(8, 20, 'slow')],
      [fact(9)],
    ];
    const seen: number[] = [];
    const source = async function* ({ since }: { since?: number | undefined }) {
      asked.push(since);
      yield* connections.shift() ?? [];
    };
    for await (const { seq } of followFacts(source, { since: 3 })) {
      seen.push(seq);
      if (seq === 9) break;
    }
    expect(seen).toEqual([4, 5, 6, 9]);
    expect(asked).toEqual([3, 4, 8]);
  });

  test('that are no longer kept are an error', async () => {
    await using api = await openTestApi();
    record(api.store, 1);
    const { facts } = createClient({ url: api.url, token: 'read' });
    await expect(facts({ since: 99 }).next()).rejects.toMatchObject({ code: 'gone' });
    expect((await facts({ since: 0 }).next()).value).toMatchObject({ seq: 1 });
  });
});

describe('the view', () => {
  const snapshot = (seq: number): OutputOf<'view'> => ({
    seq,
    projects: [],
    requests: [],
    tasks: [],
    attempts: [],
    sessions: [],
    agents: [],
    approvals: [],
    grants: [],
    messages: [],
    merges: [],
    alerts: [],
  });
  const alert = (seq: number, key: string): StreamMessage => ({
    type: 'fact',
    fact: { ...NO_SUBJECT, seq, at: 0, kind: 'alert.opened', actor: 'test', data: { key, text: key } },
  });

  test('is the snapshot, then the facts after it', async () => {
    await using api = await openTestApi({ handlers: { view: () => snapshot(2) } });
    record(api.store, 2);
    const seen: [number, string[]][] = [];
    api.store.commit((tx) => tx.record('alert.opened', { key: 'a', text: 'a' }, {}, 'test'));
    for await (const view of followView(createClient({ url: api.url, token: 'read' }))) {
      seen.push([view.seq, [...view.alerts.keys()]]);
      if (view.seq === 3) api.store.commit((tx) => tx.record('alert.closed', { key: 'a', text: 'a' }, {}, 'test'));
      if (view.seq === 4) break;
    }
    expect(seen).toEqual([
      [2, []],
      [3, ['a']],
      [4, []],
    ]);
  });

  test('starts from a new snapshot after a gap', async () => {
    const asked: (number | undefined)[] = [];
    let snapshots = 0;
    const source: ViewSource = {
      call: async () => {
        snapshots += 1;
        return snapshot(snapshots * 10);
      },
      async *stream({ since }) {
        asked.push(since);
        if (since === 10) yield* [alert(11, 'old'), { type: 'gap', after: 11, before: 16, reason: 'slow' } as const];
        else yield* [alert(18, 'known'), alert(21, 'new')];
      },
    };
    const seen: [number, string[]][] = [];
    for await (const view of followView(source)) {
      seen.push([view.seq, [...view.alerts.keys()]]);
      if (view.seq === 21) break;
    }
    expect(seen.filter(([, alerts]) => alerts.length > 0)).toEqual([
      [11, ['old']],
      [21, ['new']],
    ]);
    expect(asked).toEqual([10, 20]);
  });

  test('of an unknown request is an error at once', async () => {
    await using api = await openTestApi();
    const view = followView(createClient({ url: api.url, token: 'ingest' }), { requestId: 'req_000000001' });
    await expect(view.next()).rejects.toMatchObject({ code: 'forbidden' });
  });
});

describe('server-sent events', () => {
  const bodyOf = (chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> =>
    new ReadableStream({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk);
        controller.close();
      },
    });

  test('are the same however the bytes are cut', async () => {
    const events = fc.array(fc.record({ id: fc.option(fc.nat().map(String)), data: fc.option(fc.json()) }), {
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(events, fc.array(fc.nat(60), { maxLength: 40 }), async (given, cuts) => {
        const text = given.map(({ id, data }) => {
          const lines = [...(id === null ? [] : [`id: ${id}`]), ...(data === null ? [':'] : [`data: ${data}`])];
          return `${lines.join('\n')}\n\n`;
        });
        let rest = Buffer.from(text.join(''));
        const chunks: Buffer[] = [];
        for (const cut of cuts) {
          chunks.push(rest.subarray(0, cut));
          rest = rest.subarray(cut);
        }
        const read = await Array.fromAsync(readEvents(bodyOf([...chunks, rest])));
        expect(read).toEqual(given);
      }),
    );
  });

  test('one that never ends is refused', async () => {
    const chunk = Buffer.alloc(4_000_000, 'x');
    await expect(Array.fromAsync(readEvents(bodyOf(Array(6).fill(chunk))))).rejects.toMatchObject({ code: 'internal' });
  });
});
