import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { environmentFor, tempDir } from '../../test/support/temp.ts';
import { parseEndpoint } from '../contract/isolation.ts';
import { isAllowed } from './allow.ts';
import { sandboxHost, sandboxProblem } from './sandbox.ts';

test.each([
  ['example.org', 'example.org:443', true],
  ['example.org', 'example.org:80', false],
  ['example.org', 'other.example.org', false],
  ['*.example.org', 'other.EXAMPLE.org', true],
  ['*.example.org', 'example.org', false],
  ['*.example.org', 'badexample.org', false],
  ['127.0.0.1:80', 'localhost:80', true],
  ['[::1]:80', '127.0.0.1:80', true],
  ['example.org', '127.0.0.1', false],
])('a list with %s, asked for %s: %s', (entry, asked, expected) => {
  const [listed, wanted] = [parseEndpoint(entry), parseEndpoint(asked)];
  if (!listed || !wanted) throw new Error('not a place');
  expect(isAllowed(wanted, [listed])).toBe(expected);
});

test.each(['', 'a b', 'x:0', 'x:65536', 'http://x', '*', 'x/y', 'a*.org'])('"%s" is not a place', (text) => {
  expect(parseEndpoint(text)).toBeNull();
});

/** Prints what a program gets of each place: a port of this machine, one that is not listed, and two by the proxy. */
const ASKING = `
  const [direct, other, listed] = process.argv.slice(1);
  const { request } = require('node:http');
  const get = (port) => fetch('http://127.0.0.1:' + port).then((answer) => answer.text(), () => 'nothing');
  const tunnel = (place) => new Promise((done) => {
    const proxy = new URL(process.env.HTTPS_PROXY);
    const asked = request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: place });
    asked.on('connect', ({ statusCode }) => done(statusCode)).end();
  });
  (async () => {
    console.log(await get(direct), await get(other), await tunnel(listed), await tunnel('example.org:443'));
    process.exit(0);
  })();
`;

const problem = await sandboxProblem(environmentFor('/').PATH ?? '');
describe.skipIf(problem !== null)(`the gate${problem === null ? '' : ` (${problem})`}`, () => {
  test('leads to what is listed, and to nothing else', async () => {
    await using directory = await tempDir();
    const listen = async (host: string): Promise<{ readonly port: number } & AsyncDisposable> => {
      const server = createServer((_, response) => response.end('answered'));
      await new Promise<void>((resolve) => server.listen(0, host, resolve));
      const close = async (): Promise<void> => {
        server.closeAllConnections();
        server.close();
      };
      return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: close };
    };
    await using direct = await listen('127.0.0.1');
    await using other = await listen('127.0.0.1');
    // Not an address that programs have inside: it is reached by name, as a place elsewhere.
    await using elsewhere = await listen('127.0.0.2');
    const listed = `127.0.0.2:${elsewhere.port}`;
    const host = sandboxHost({
      environment: environmentFor('/'),
      gates: join(directory.path, 'gates'),
      hidden: [],
      readable: () => [],
      reach: () => [`127.0.0.1:${direct.port}`, listed].flatMap((text) => parseEndpoint(text) ?? []),
    });
    const result = await host.run({
      command: [process.execPath, '-e', ASKING, String(direct.port), String(other.port), listed],
      cwd: directory.path,
      env: { PATH: '/usr/bin:/bin', HTTP_PROXY: 'http://proxy.of.the.daemon' },
      marker: null,
      limitMs: 30_000,
    });
    expect(result).toMatchObject({ code: 0, stdout: 'answered nothing 200 403\n' });
  });
});
