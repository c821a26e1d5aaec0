import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type TempDir, tempDir } from '../../test/support/temp.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { Store } from '../store/store.ts';
import { Tokens } from './access.ts';
import { checkEvents, spoolCheck } from './doctor-events.ts';
import { spoolOf } from './hook-script.ts';

let dir: TempDir;
let store: Store;

beforeEach(async () => {
  dir = await tempDir();
  store = Store.open({ dir: dir.path, clock: systemClock, log: silentLog });
});
afterEach(async () => {
  await store.close();
  await dir[Symbol.asyncDispose]();
});

describe('doctor of events', () => {
  test.each([
    ['says yes to everything', 200, '<html>welcome</html>', 'the one that was taken is there 0 times'],
    ['knows no token', 401, '<html>who?</html>', 'what answers is not a Gantry daemon: HTTP 401'],
  ])(
    'a server in the place of the daemon that %s is a problem, and no token is left',
    async (_, status, html, said) => {
      await mkdir(spoolOf(dir.path));
      const server = createServer((_request, response) => void response.writeHead(status).end(html)).listen(
        0,
        '127.0.0.1',
      );
      await once(server, 'listening');
      try {
        const urlNow = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
        const access = new Tokens(store, systemClock);
        const checks = await checkEvents({ home: dir.path, access, urlNow });
        const detail = `an event could not be posted and read back: ${said}`;
        expect(checks).toContainEqual(expect.objectContaining({ name: 'events', status: 'problem', detail }));
        expect(access.list()).toEqual([]);
      } finally {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      }
    },
  );

  test('a spool that is gone is said', async () => {
    const parts = { home: dir.path, access: new Tokens(store, systemClock), urlNow: () => 'http://127.0.0.1:9' };
    const found = (await checkEvents(parts)).find(({ name }) => name === 'spool');
    expect(found).toMatchObject({ status: 'notice', detail: expect.stringContaining('ENOENT') });
  });

  test.each([
    [[], [], 'ok', 'no event waits'],
    [['a'], ['b'], 'ok', 'it is being read'],
    [['a', 'b'], ['b'], 'notice', 'events of hooks that wait and are not read: 1'],
    [['a'], ['a', 'b'], 'notice', 'events of hooks that wait and are not read: 2, and more come (1 before)'],
  ])('of %j and then %j in the spool it says %s: %s', (before, after, status, detail) => {
    expect(spoolCheck(before, after)).toMatchObject({ status, detail });
  });
});
