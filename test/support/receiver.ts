import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { deferred, within } from '../../src/base/wait.ts';

export type Received = {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly json: () => never;
  readonly at: number;
};

export type ReceiverAnswer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** Deliveries that failed are tried ever less often. */
const LIMIT_MS = 60_000;

/** A small HTTP server on a free port of loopback that keeps what it gets and answers as the test says. */
export async function startReceiver(
  answer: (received: Received) => ReceiverAnswer | Promise<ReceiverAnswer> = () => ({ status: 204 }),
) {
  const got: Received[] = [];
  let changed = deferred<void>();
  const server = createServer((request, response) => {
    void text(request).then(async (body) => {
      const received: Received = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body,
        json: () => JSON.parse(body) as never,
        at: Date.now(),
      };
      got.push(received);
      changed.resolve();
      changed = deferred<void>();
      const { status, headers, body: content } = await answer(received);
      response.writeHead(status, headers).end(content);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const until = async <T>(
    what: string,
    check: (got: readonly Received[]) => T | null | undefined | false,
  ): Promise<T> => {
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const found = check(got);
      if (found !== null && found !== undefined && found !== false) return found;
      await within(
        changed.promise,
        end - Date.now(),
        () => new Error(`not received in time: ${what}; got ${got.length}`),
      );
    }
  };
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    got,
    until,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
