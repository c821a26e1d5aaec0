import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { ManualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { Fleet } from './fleet.ts';
import { CLOSED, PROTOCOL } from './protocol.ts';

const LEASE_MS = 30_000;

/** A fleet, and a way to come in as a node that says what it likes. */
async function fleetFor(only: string | null = null) {
  const clock = new ManualClock();
  const notes: string[] = [];
  let isValid = true;
  const fleet = new Fleet({
    ...{ clock, log: silentLog, url: () => 'http://plane', leaseMs: () => LEASE_MS, expected: ['big'] },
    note: (_node, _level, text) => notes.push(text),
  });
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => fleet.accept(socket, { only, tokenId: 'tok_1', isStillValid: () => isValid }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    fleet.close();
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });
  const join = async (hello: object = {}) => {
    const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const closed = once(socket, 'close').then(([code, reason]) => ({ code, reason: String(reason) }));
    await once(socket, 'open');
    const about = { protocol: PROTOCOL, name: 'big', version: '1', system: 'test', instance: randomUUID(), link: null };
    const answer = once(socket, 'message');
    socket.send(JSON.stringify({ ...about, backends: ['fake'], ...hello }));
    const welcome = await Promise.race([answer.then(([data]) => JSON.parse(String(data))), closed]);
    return { socket, welcome, closed, say: (...frame: unknown[]) => socket.send(JSON.stringify(frame)) };
  };
  const revoke = (): void => {
    isValid = false;
    fleet.recheck();
  };
  return { fleet, clock, notes, join, revoke };
}

describe('a fleet', () => {
  test('lets a node in under its own name only, one at a time, and by the protocol that it speaks', async () => {
    const { fleet, join } = await fleetFor('big');
    expect((await join({ name: 'other' })).welcome).toMatchObject({ code: CLOSED.refused });
    expect((await join({ protocol: 99 })).welcome).toMatchObject({ code: CLOSED.refused });
    expect((await join({ name: '../x' })).welcome).toMatchObject({ code: CLOSED.refused });
    expect((await join()).welcome).toMatchObject({ leaseMs: LEASE_MS, received: null });
    expect((await join()).welcome).toMatchObject({ code: CLOSED.nameTaken });
    expect(fleet.list()).toMatchObject([{ name: 'big', state: 'connected' }]);
  });

  test.each([
    ['asks for something', [1, 0, { type: 'call', id: 1, name: 'probe', input: { backend: 'fake' }, blob: null }]],
    ['says what is no message', [1, 0, { type: 'nonsense' }]],
    ['sends a part of nothing', [1, 0, { type: 'chunk', blob: randomUUID(), data: '' }]],
    ['answers otherwise than it may', [1, 0, { type: 'result', id: 1, output: { directory: '"{' }, blob: null }]],
  ])('gives up a node that %s, and lives on', async (_, frame) => {
    const { fleet, join, notes } = await fleetFor();
    const { say, closed } = await join();
    const call = fleet.find('big')?.peer.call('look', { key: '0123456789abcdef' });
    const refused = expect(call).rejects.toMatchObject({ code: 'backend_failed' });
    say(...frame);
    await closed;
    await refused;
    expect(fleet.list()).toMatchObject([{ name: 'big', state: 'expected' }]);
    expect(notes).toHaveLength(2);
    expect((await join()).welcome).toMatchObject({ received: null });
  });

  test('lets go of a node whose token is no longer valid', async () => {
    const { fleet, join, revoke } = await fleetFor();
    const { closed } = await join();
    revoke();
    expect(await closed).toMatchObject({ code: CLOSED.revoked });
    expect(fleet.find('big')).toBeNull();
  });

  test('expects a node back for as long as its lease, also after its own start', async () => {
    const { fleet, clock, join } = await fleetFor();
    expect(fleet.awayOf('big')).toMatchObject({ isPassing: true });
    clock.advance(LEASE_MS);
    expect(fleet.awayOf('big')).toMatchObject({ isPassing: false, cause: expect.stringContaining('gantry node join') });
    const { socket } = await join();
    expect(fleet.awayOf('big')).toBeNull();
    const away = new Promise<void>((resolve) => {
      const look = (): void => void (fleet.find('big') === null ? resolve() : setImmediate(look));
      look();
    });
    socket.terminate();
    await away;
    expect(fleet.awayOf('big')).toMatchObject({ isPassing: true });
    clock.advance(LEASE_MS);
    expect(fleet.awayOf('big')).toMatchObject({ isPassing: false });
    expect(fleet.list()).toMatchObject([{ name: 'big', state: 'expected' }]);
  });
});
