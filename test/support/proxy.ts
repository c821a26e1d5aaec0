import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP proxy on loopback whose connections can be cut. */
export type TcpProxy = AsyncDisposable & {
  readonly url: string;
  /** Drops every connection, as a broken network does. */
  readonly cut: () => void;
  /** Sees what the server sends, before it is passed on. */
  onData: (chunk: Buffer) => void;
};

/** Port 0 takes a free one. */
export async function tcpProxy(targetUrl: string, wantedPort = 0): Promise<TcpProxy> {
  const target = new URL(targetUrl);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      proxy.onData(chunk);
      client.write(chunk);
    });
  });
  server.listen(wantedPort, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const proxy: TcpProxy = {
    url: `http://127.0.0.1:${port}`,
    cut,
    onData: () => undefined,
    [Symbol.asyncDispose]: async () => {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
  return proxy;
}
