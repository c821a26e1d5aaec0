import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { EventServer } from './event-server.ts';
import { repeat } from './sample.ts';

const HEAD_END = Buffer.from('\r\n\r\n');
const OK = Buffer.from('HTTP/1.1 200 ');

/** A keep-alive connection, by a socket alone: a sender on a machine of two processors must take little of them. */
export class PostConnection implements Disposable {
  readonly #socket: Socket;
  readonly #head: string;
  #held: Buffer = Buffer.alloc(0);
  #answered: { readonly resolve: () => void; readonly reject: (error: Error) => void } | null = null;

  private constructor(socket: Socket, { token, url }: EventServer) {
    this.#socket = socket;
    const lines = ['POST /events HTTP/1.1', `Host: ${new URL(url).host}`, 'Content-Type: application/json'];
    if (token !== null) lines.push(`Authorization: Bearer ${token}`);
    this.#head = lines.join('\r\n');
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => this.#answered?.reject(error));
    socket.on('close', () => this.#answered?.reject(new Error('the connection was closed')));
  }

  static async open(server: EventServer): Promise<PostConnection> {
    const { hostname, port } = new URL(server.url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new PostConnection(socket, server);
  }

  request(body: string): Buffer {
    return Buffer.from(`${this.#head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }

  /** Resolves with the answer, which must be a 200. */
  post(request: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#answered = { resolve, reject };
      this.#socket.write(request);
    });
  }

  [Symbol.dispose](): void {
    this.#answered = null;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    if (!isWhole(this.#held)) return;
    const isOk = this.#held.subarray(0, OK.length).equals(OK);
    const answered = this.#answered;
    if (isOk) answered?.resolve();
    else answered?.reject(new Error(this.#held.toString('utf8').slice(0, 500)));
    this.#held = Buffer.alloc(0);
  }
}

/** Whether all of an answer is there. */
function isWhole(bytes: Buffer): boolean {
  const end = bytes.indexOf(HEAD_END);
  if (end < 0) return false;
  const head = bytes.toString('latin1', 0, end);
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  if (length === undefined) throw new Error(`an answer without a length: ${head}`);
  return bytes.length >= end + HEAD_END.length + Number(length);
}

/** Posts the bodies in turn, over connections that each wait for their answer. @returns how long each waited, ms, and all of it */
export async function postLoad(
  server: EventServer,
  load: { readonly connections: number; readonly ms: number; readonly bodies: readonly string[] },
): Promise<{ readonly waits: readonly number[]; readonly tookMs: number }> {
  using stack = new DisposableStack();
  const connections = await repeat(load.connections, async () => stack.use(await PostConnection.open(server)));
  const requests = load.bodies.map((body) => connections[0]?.request(body) ?? Buffer.alloc(0));
  const waits: number[] = [];
  let next = 0;
  const began = performance.now();
  const sender = async (connection: PostConnection): Promise<void> => {
    for (let now = began; now - began < load.ms; ) {
      await connection.post(requests[next++ % requests.length] ?? Buffer.alloc(0));
      const then = performance.now();
      waits.push(then - now);
      now = then;
    }
  };
  await Promise.all(connections.map(sender));
  return { waits, tookMs: performance.now() - began };
}
