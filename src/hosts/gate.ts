import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Deferred, deferred, within } from '../base/wait.ts';
import { AppError } from '../contract/errors.ts';
import { type Endpoint, parseEndpoint } from '../contract/isolation.ts';
import { isAllowed } from './allow.ts';

/**
 * The only way between a program without a network and everything outside of it: a socket in a directory that is mounted
 * where the program runs. There `process/relay.ts` connects to it; nothing of the program's making is ever connected to.
 * A connection begins with one line: `CONTROL`, `OPEN host:port` or `ACCEPT id`.
 */
export type Gate = {
  /** Holds the socket. */
  readonly directory: string;
  /** As `HostProcess.reach`. @throws AppError `timeout` */
  readonly reach: (port: number) => Promise<number>;
  /** Asks the program to end. */
  readonly terminate: () => void;
  readonly close: () => Promise<void>;
};

/** Longest path of a unix socket (Linux: `sun_path` has 108 bytes, the last of which is 0). */
const MAX_SOCKET_PATH = 107;
const MAX_CONNECTIONS = 256;
const MAX_FIRST_LINE = 300;
const CONNECT_LIMIT_MS = 10_000;
const CONTROL_LIMIT_MS = 20_000;
export const SOCKET = 's';

/** @throws AppError `spawn_failed` if the directory's path is too long for a socket. */
export async function openGate(base: string, allowed: () => readonly Endpoint[]): Promise<Gate> {
  const directory = join(base, randomUUID().slice(0, 8));
  const path = join(directory, SOCKET);
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw new AppError(
      'spawn_failed',
      `${path} is longer than the ${MAX_SOCKET_PATH} bytes that a socket's path may have`,
    );
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const control = deferred<Socket>();
  const dialled = new Map<string, Deferred<Socket>>();
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => socket.destroy()).once('close', () => sockets.delete(socket));
  };
  const greet = async (socket: Socket): Promise<void> => {
    const line = await within(
      firstLine(keep(socket)),
      CONNECT_LIMIT_MS,
      () => new AppError('timeout', 'no first line'),
    );
    const [word = '', argument = ''] = line.split(' ');
    if (word === 'CONTROL') return control.resolve(socket);
    if (word === 'ACCEPT') return dialled.get(argument)?.resolve(socket);
    if (word === 'OPEN') return await open(socket, argument, allowed(), keep);
    socket.destroy();
  };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    greet(socket).catch(() => socket.destroy());
  });
  server.maxConnections = MAX_CONNECTIONS;
  servers.push(server);
  await listening(server, path);
  return {
    directory,
    terminate: () => void control.promise.then((socket) => socket.write('TERM\n')),
    reach: async (port) => {
      const socket = await within(control.promise, CONTROL_LIMIT_MS, () => {
        return new AppError('timeout', 'the walled-off program did not connect to its gate');
      });
      const entrance = createServer({ allowHalfOpen: true }, (outer) => {
        const id = randomUUID();
        const inner = deferred<Socket>();
        dialled.set(id, inner);
        keep(outer);
        socket.write(`DIAL ${id} ${port}\n`);
        within(inner.promise, CONNECT_LIMIT_MS, () => new AppError('timeout', 'nobody accepts'))
          .then((found) => joinBoth(outer, found))
          .catch(() => outer.destroy())
          .finally(() => dialled.delete(id));
      });
      servers.push(entrance);
      await listening(entrance, { host: '127.0.0.1', port: 0 });
      return (entrance.address() as AddressInfo).port;
    },
    close: async () => {
      for (const each of servers) each.close();
      for (const socket of sockets) socket.destroy();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function open(
  socket: Socket,
  asked: string,
  allowed: readonly Endpoint[],
  keep: (socket: Socket) => Socket,
): Promise<void> {
  const endpoint = parseEndpoint(asked);
  if (endpoint === null || !isAllowed(endpoint, allowed)) {
    socket.end(`NO ${asked} is not among the places that may be reached (walls.reach)\n`);
    return;
  }
  const outer = keep(connect({ ...endpoint, allowHalfOpen: true }));
  try {
    await within(connected(outer), CONNECT_LIMIT_MS, () => new AppError('timeout', 'no answer'));
  } catch (error) {
    outer.destroy();
    socket.end(`NO ${asked} cannot be reached: ${error instanceof Error ? error.message : String(error)}\n`);
    return;
  }
  socket.write('OK\n');
  joinBoth(socket, outer);
}

/** Both directions; either end's failure ends the other. */
function joinBoth(a: Socket, b: Socket): void {
  a.pipe(b);
  b.pipe(a);
  a.once('close', () => b.destroy());
  b.once('close', () => a.destroy());
}

const connected = (socket: Socket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('connect', resolve).once('error', reject);
  });

/** Without its end; what comes after it stays in the stream. */
function firstLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = '';
    const read = (): void => {
      for (let byte = socket.read(1); byte !== null; byte = socket.read(1)) {
        if (byte[0] === 0x0a) {
          socket.off('readable', read);
          resolve(line);
          return;
        }
        line += String.fromCharCode(byte[0]);
        if (line.length > MAX_FIRST_LINE) reject(new Error('the first line is too long'));
      }
    };
    socket.on('readable', read).once('close', () => reject(new Error('closed before its first line')));
  });
}

const listening = (server: Server, where: string | { readonly host: string; readonly port: number }): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => resolve());
  });
