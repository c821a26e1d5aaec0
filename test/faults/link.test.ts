import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { systemClock } from '../../src/base/clock.ts';
import { deferred } from '../../src/base/wait.ts';
import { Link } from '../../src/fleet/link.ts';
import { seeded } from '../support/seeded.ts';

const COUNT = 2_000;
const nothing = (): void => undefined;

/** An end that collects what it is told until it has all. */
function end(): { readonly link: Link; readonly heard: unknown[]; readonly all: Promise<void> } {
  const heard: unknown[] = [];
  const all = deferred<void>();
  const onMessage = (message: unknown): void => {
    heard.push(message);
    if (heard.length === COUNT) all.resolve();
  };
  return {
    link: new Link({ clock: systemClock, onMessage, onDetached: nothing, onBroken: nothing }),
    heard,
    all: all.promise,
  };
}

test('every message arrives once and in order on both sides, however often the connection is cut', async () => {
  const seed = Number(process.env.GANTRY_LINK_SEED ?? Date.now() % 1_000_000);
  const random = seeded(seed);
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const [near, far] = [end(), end()];
  let isOver = false;
  // As plane and node do it: each says what it has received, and goes on from there.
  sockets.on('connection', (socket) => {
    socket.on('error', () => socket.terminate());
    socket.once('message', (data) => {
      socket.send(String(near.link.received));
      near.link.attach(socket, Number(data));
    });
  });
  const keepConnected = async (): Promise<void> => {
    while (!isOver) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`);
      socket.on('error', () => socket.terminate());
      const closed = once(socket, 'close');
      socket.once('open', () => socket.send(String(far.link.received)));
      socket.once('message', (data) => far.link.attach(socket, Number(data)));
      await closed;
    }
  };
  const connected = keepConnected();
  for (let n = 0; n < COUNT; n += 1) {
    near.link.send(`near ${n}`);
    far.link.send(`far ${n}`);
    if (random() < 0.02) for (const socket of sockets.clients) socket.terminate();
    if (random() < 0.2) await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all([near.all, far.all]);
  isOver = true;
  near.link.close();
  far.link.close();
  for (const socket of sockets.clients) socket.terminate();
  await connected;
  server.close();
  const numbers = Array.from({ length: COUNT }, (_, n) => n);
  expect(near.heard, `GANTRY_LINK_SEED=${seed}`).toEqual(numbers.map((n) => `far ${n}`));
  expect(far.heard, `GANTRY_LINK_SEED=${seed}`).toEqual(numbers.map((n) => `near ${n}`));
});
