import type { Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { AppError } from '../contract/errors.ts';

/** Beyond it a connection is closed unread: files of the process are few. */
const MAX_CONNECTIONS = 1_000;
const MAX_TWIN_CONNECTIONS = 250;
/** Tries to find a port that is free on both addresses. */
const MAX_TRIES = 20;

export type Listening = {
  readonly port: number;
  readonly connections: ReadonlySet<Socket>;
  /** Takes no more connections; resolves when the last one has ended. */
  readonly close: () => Promise<void>;
};

/**
 * Listens at `host`; with 127.0.0.1 also at ::1 on the same port, if this machine has it: `localhost` may mean either.
 * @throws AppError port_in_use
 */
export async function listen(server: HttpServer, host: string, port: number): Promise<Listening> {
  server.maxConnections = MAX_CONNECTIONS;
  const connections = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  for (let tries = 1; ; tries += 1) {
    const taken = await bind(server, host, port);
    try {
      const twin = host === '127.0.0.1' ? await listenTwin(server, taken) : null;
      const close = async (): Promise<void> => void (await Promise.all([closed(server), twin && closed(twin)]));
      return { port: taken, connections, close };
    } catch (error) {
      await closed(server);
      if (port !== 0 || tries === MAX_TRIES) throw error;
    }
  }
}

/** Hands its connections to the server. Null where there is no ::1. @throws AppError port_in_use */
async function listenTwin(server: HttpServer, port: number): Promise<Server | null> {
  const twin = createServer({ noDelay: true }, (socket) => server.emit('connection', socket));
  twin.maxConnections = MAX_TWIN_CONNECTIONS;
  try {
    await bind(twin, '::1', port);
  } catch (error) {
    if (error instanceof AppError && error.code === 'port_in_use') throw error;
    return null;
  }
  twin.on('error', (error) => server.emit('error', error));
  return twin;
}

async function bind(server: Server, host: string, port: number): Promise<number> {
  return await new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      const isTaken = error.code === 'EADDRINUSE';
      const message = isTaken
        ? `port ${port} on ${host} is taken by another program`
        : `${host}:${port}: ${error.message}`;
      reject(new AppError(isTaken ? 'port_in_use' : 'internal', message, { cause: error }));
    };
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

const closed = (server: Server): Promise<void> => new Promise((resolve) => void server.close(() => resolve()));
