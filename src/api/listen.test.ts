import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { openTestApi, type TestApi } from '../../test/support/api.ts';
import { deferred } from '../base/wait.ts';

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));

describe.runIf(hasIpv6)('::1 beside 127.0.0.1', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await openTestApi();
  });
  afterAll(() => api[Symbol.asyncDispose]());

  const raw = (host: string, more = ''): Promise<string> => {
    const socket = connect(api.port, '::1');
    socket.end(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`);
    return text(socket);
  };

  test('is served at the same port, under the same rules for Host, Origin and token', async () => {
    expect(await raw(`[::1]:${api.port}`)).toMatch(/^HTTP\/1.1 200/);
    expect(await raw(`localhost:${api.port}`)).toMatch(/^HTTP\/1.1 200/);
    expect(await raw('evil.example')).toMatch(/^HTTP\/1.1 403/);
    expect(await raw(`[::1]:${api.port}`, 'Origin: http://[::1]:1\r\n')).toMatch(/^HTTP\/1.1 403/);
    expect((await fetch(`http://[::1]:${api.port}/api/v1/status`)).status).toBe(401);
  });

  test('takes WebSockets too', async () => {
    const ws = new WebSocket(`ws://[::1]:${api.port}/api/v1/stream`, { headers: { Authorization: 'Bearer read' } });
    await once(ws, 'message');
    ws.terminate();
  });

  test('a port that another program has there is taken', async () => {
    const other = createServer().listen(0, '::1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    await expect(openTestApi({ port })).rejects.toMatchObject({
      code: 'port_in_use',
      message: expect.stringContaining('::1'),
    });
    // Nothing is left of the attempt at the other address.
    const again = createServer().listen(port, '127.0.0.1');
    await once(again, 'listening');
    again.close();
    other.close();
  });

  test('a call that runs there ends before the close does', async () => {
    const running = deferred<void>();
    const released = deferred<void>();
    await using closing = await openTestApi({
      handlers: {
        doctor: async () => {
          running.resolve();
          await released.promise;
          return { isOk: true, checks: [] };
        },
      },
    });
    const headers = { Authorization: 'Bearer admin', 'Content-Type': 'application/json' };
    const url = `http://[::1]:${closing.port}/api/v1/doctor`;
    const answer = fetch(url, { method: 'POST', headers, body: '{}' });
    await running.promise;
    let isClosed = false;
    const closed = closing.close(30_000).then(() => {
      isClosed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed).toBe(false);
    released.resolve();
    expect((await answer).status).toBe(200);
    await closed;
  });
});

test('another address is the only one', async () => {
  await using api = await openTestApi({ host: '127.0.0.2', names: ['127.0.0.2'] });
  const socket = connect(api.port, '::1');
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toMatch(/ECONNREFUSED|EADDRNOTAVAIL/);
});
