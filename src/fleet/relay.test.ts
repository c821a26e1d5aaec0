import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { openRelay } from './relay.ts';

test('a relay hands on method, path, body and token, under the name that the plane takes', async () => {
  const plane = createServer(async (asked, answer) => {
    const { host, authorization } = asked.headers;
    answer
      .writeHead(201, { 'x-kept': 'yes' })
      .end([asked.method, asked.url, host, authorization, await text(asked)].join(' '));
  });
  plane.listen(0, '127.0.0.1');
  await once(plane, 'listening');
  const address = `http://127.0.0.1:${(plane.address() as AddressInfo).port}`;
  await using relay = await openRelay(address, () => 'plane.test:1');
  const headers = { Authorization: 'Bearer mine' };
  const got = await fetch(`${relay.url}/mcp?x=1`, { method: 'POST', body: 'hello', headers });
  expect([got.status, got.headers.get('x-kept')]).toEqual([201, 'yes']);
  expect(await got.text()).toBe('POST /mcp?x=1 plane.test:1 Bearer mine hello');
  plane.close();
  plane.closeAllConnections();
  expect((await fetch(relay.url)).status).toBe(502);
});
