import { execFile } from 'node:child_process';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { openTestApi } from '../../test/support/api.ts';
import { brief, isSeq, readUntil, record } from '../../test/support/stream-readers.ts';
import { createClient } from '../client/client.ts';
import { localFetch } from './local-fetch.ts';

async function serve(answer: RequestListener) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { client: createClient({ url, token: 'admin', fetch: localFetch }), [Symbol.dispose]: close };
}

describe('a client over localFetch', () => {
  test('carries out calls with a body, a query and a path, as over fetch', async () => {
    await using api = await openTestApi({
      handlers: { 'things.cancel': ({ id, reason }) => ({ id, state: `ü ${reason}`, cause: null }) },
    });
    const { call } = createClient({ url: api.url, token: 'admin', fetch: localFetch });
    const input = { id: 'req_000000001', reason: 'é "quoted"\n' } as never;
    expect(await call('things.cancel', input)).toEqual({ id: 'req_000000001', state: 'ü é "quoted"\n', cause: null });
    await expect(call('requests.list', { limit: 0 })).rejects.toMatchObject({ code: 'bad_request' });
    await expect(
      createClient({ url: api.url, token: 'no', fetch: localFetch }).call('status', {}),
    ).rejects.toMatchObject({ code: 'unauthorized' });
  });

  test('follows the stream, and leaves it when it is asked to', async () => {
    await using api = await openTestApi();
    record(api.store, 3);
    const leave = new AbortController();
    const client = createClient({ url: api.url, token: 'read', fetch: localFetch });
    const messages = client.stream({ since: 0, signal: leave.signal });
    expect(brief(await readUntil(messages, isSeq(3)))).toEqual(['fact 1', 'fact 2', 'fact 3']);
    leave.abort();
    // At most what had come already: that the reader is live.
    expect((await Array.fromAsync(messages)).length).toBeLessThan(2);
  });

  test('tells an answer that is cut off, a redirection, a limit and nobody there', async () => {
    using cut = await serve((_, response) => {
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('{"version"', () => response.destroy());
    });
    await expect(cut.client.call('status', {})).rejects.toMatchObject({ code: 'daemon_unreachable' });
    using elsewhere = await serve((_, response) => void response.writeHead(302, { Location: '/' }).end());
    await expect(elsewhere.client.call('status', {})).rejects.toMatchObject({ code: 'internal' });
    using silent = await serve(() => undefined);
    const signal = AbortSignal.timeout(5);
    await expect(silent.client.call('status', {}, { signal })).rejects.toMatchObject({ code: 'timeout' });
    silent[Symbol.dispose]();
    await expect(silent.client.call('status', {})).rejects.toMatchObject({
      code: 'daemon_unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });
});

test('a command of the CLI does not load Undici', async () => {
  const load = ['../cli/program.ts', '../cli/commands/status.ts', '../cli/connect.ts']
    .map((file) => `await import(${JSON.stringify(fileURLToPath(new URL(file, import.meta.url)))});`)
    .join('');
  const script = `${load} console.log(process.moduleLoadList.filter((name) => name.includes('undici')).length)`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  expect(stdout.trim()).toBe('0');
});
