import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

export type Relay = AsyncDisposable & { readonly url: string };

/**
 * Where agents of this machine find the plane: a port of this loopback, however the plane is reached from here. They bring
 * their own tokens; `host` is what the plane calls itself, for it takes no other.
 */
export async function openRelay(plane: string, host: () => string): Promise<Relay> {
  const server = createServer((asked, answer) => pass(asked, answer, { plane, host: host() }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function pass(
  asked: IncomingMessage,
  answer: ServerResponse,
  { plane, host }: { readonly plane: string; readonly host: string },
): void {
  // A path, never an address: a relay leads to one place only.
  const target = new URL(plane);
  const path = asked.url?.startsWith('/') ? asked.url : '/';
  const begin = target.protocol === 'https:' ? httpsRequest : httpRequest;
  const onward = begin(target, { path, method: asked.method ?? 'GET', headers: { ...asked.headers, host } });
  onward.once('response', (got) => {
    answer.writeHead(got.statusCode ?? 502, got.headers);
    // If one side is cut, so is the other: an answer that stops half-way must not look like one that goes on.
    pipeline(got, answer, () => undefined);
  });
  onward.once('error', () => {
    if (answer.headersSent) answer.destroy();
    else answer.writeHead(502, { 'Content-Type': 'text/plain' }).end('the control plane cannot be reached\n');
  });
  answer.once('close', () => onward.destroy());
  asked.pipe(onward);
}
