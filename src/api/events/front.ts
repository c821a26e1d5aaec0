import type { Socket } from 'node:net';
import { KEEP_ALIVE_S, OkHeads } from './answer.ts';

/** A `POST /events` whose head says nothing that would need more than this: what it asks, and the bytes of its body. */
export type PlainPost = {
  readonly url: string;
  readonly headers: { readonly host: string; readonly authorization?: string };
  readonly length: number;
};

type FrontParts = {
  /** The answer's JSON once the event is durable. Whatever it rejects with, nothing was recorded. */
  readonly take: (post: PlainPost, body: Buffer) => Promise<string>;
  /** Gives the connection to the HTTP server, which reads on from there. */
  readonly serve: (socket: Socket) => void;
};

const HEAD_END = Buffer.from('\r\n\r\n');
const MAX_HEAD = 4_096;
/** A sender's heads differ in the length of the body only. */
const MAX_HEADS = 256;
const POST = /^POST (\/events|\/in\/[\w-]{1,200}\/events) HTTP\/1\.1$/;
const FIELD = /^([A-Za-z-]+): ?([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)$/;
/** What these say changes nothing, the six below aside. With any other field the HTTP server decides. */
const FIELDS: ReadonlySet<string> = new Set([
  'host',
  'authorization',
  'content-type',
  'content-length',
  'connection',
  'accept',
  'accept-encoding',
  'accept-language',
  'sec-fetch-mode',
  'user-agent',
]);

/**
 * Stands in front of the HTTP server and answers the one request that comes by thousands: a plain, whole `POST /events`
 * that is fine. A quarter of what an event costs is spared by it. With the first request that is anything else, or that is
 * to be refused, the connection goes to the HTTP server with all its bytes, so that there is one way of everything else.
 */
export class PostFront {
  readonly #parts: FrontParts;
  readonly #heads = new Map<string, PlainPost | null>();
  readonly #connections = new Set<FrontConnection>();
  readonly #okHeads = new OkHeads();
  #isClosing = false;

  constructor(parts: FrontParts) {
    this.#parts = parts;
  }

  accept(socket: Socket): void {
    const connection = new FrontConnection(socket, {
      ...this.#parts,
      read: (bytes) => this.#read(bytes),
      okHead: (length) => this.#okHeads.of(length),
      isLast: () => this.#isClosing,
      onGone: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }

  /** Connections end with the answer that they wait for; those that wait for none end now. */
  close(): void {
    this.#isClosing = true;
    for (const connection of this.#connections) connection.endIfIdle();
  }

  #read(bytes: Buffer): { readonly post: PlainPost; readonly body: Buffer } | null {
    const end = bytes.indexOf(HEAD_END);
    if (end < 0 || end > MAX_HEAD) return null;
    const head = bytes.toString('latin1', 0, end);
    let post = this.#heads.get(head);
    if (post === undefined) {
      post = plainPost(head);
      if (this.#heads.size >= MAX_HEADS) this.#heads.clear();
      this.#heads.set(head, post);
    }
    const start = end + HEAD_END.length;
    return post !== null && bytes.length === start + post.length ? { post, body: bytes.subarray(start) } : null;
  }
}

/** Null for every head that may mean something else to somebody else. */
export function plainPost(head: string): PlainPost | null {
  const [first = '', ...lines] = head.split('\r\n');
  const url = POST.exec(first)?.[1];
  const fields = new Map<string, string>();
  for (const line of lines) {
    const [, name = '', value = ''] = FIELD.exec(line) ?? [];
    const key = name.toLowerCase();
    if (!FIELDS.has(key) || fields.has(key)) return null;
    fields.set(key, value);
  }
  const [host, authorization, length = ''] = ['host', 'authorization', 'content-length'].map((key) => fields.get(key));
  const isPlain =
    /^[1-9]\d{0,5}$/.test(length) &&
    /^keep-alive$/i.test(fields.get('connection') ?? 'keep-alive') &&
    /^application\/json *(?:;|$)/i.test(fields.get('content-type') ?? 'application/json');
  if (!isPlain || url === undefined || host === undefined) return null;
  // Without a token: who may do that is not decided here.
  if (authorization === undefined) return url === '/events' ? null : { url, headers: { host }, length: Number(length) };
  return { url, headers: { host, authorization }, length: Number(length) };
}

type ConnectionParts = FrontParts & {
  readonly read: (bytes: Buffer) => { readonly post: PlainPost; readonly body: Buffer } | null;
  readonly okHead: (length: number) => string;
  readonly isLast: () => boolean;
  readonly onGone: () => void;
};

class FrontConnection {
  readonly #socket: Socket;
  readonly #parts: ConnectionParts;
  #isBusy = false;
  #isEnded = false;
  /** What came before the answer to what was before it. */
  #early: Buffer | null = null;

  constructor(socket: Socket, parts: ConnectionParts) {
    this.#socket = socket;
    this.#parts = parts;
    socket.setTimeout(KEEP_ALIVE_S * 1_000, this.#onTimeout);
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', parts.onGone);
  }

  endIfIdle(): void {
    if (!this.#isBusy) this.#socket.destroy();
  }

  readonly #onData = (bytes: Buffer): void => {
    if (this.#isBusy) {
      this.#early = this.#early === null ? bytes : Buffer.concat([this.#early, bytes]);
      this.#socket.pause();
      return;
    }
    const found = this.#parts.read(bytes);
    if (found === null) {
      this.#handOver(bytes);
      return;
    }
    this.#isBusy = true;
    this.#parts.take(found.post, found.body).then(this.#answer, () => this.#handOver(bytes));
  };

  readonly #answer = (json: string): void => {
    const socket = this.#socket;
    const length = Buffer.byteLength(json);
    // Text of ASCII alone is copied as it is.
    const isTaken = socket.write(`${this.#parts.okHead(length)}${json}`, length === json.length ? 'latin1' : 'utf8');
    this.#isBusy = false;
    const early = this.#early;
    this.#early = null;
    if (this.#parts.isLast() || (this.#isEnded && early === null)) {
      socket.destroySoon();
      return;
    }
    // Who does not read its answers is not read from.
    if (!isTaken) socket.pause().once('drain', () => socket.resume());
    else if (early !== null) socket.resume();
    if (early !== null) this.#onData(early);
  };

  #handOver(bytes: Buffer): void {
    const socket = this.#socket;
    socket.setTimeout(0, this.#onTimeout);
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError);
    socket.off('close', this.#parts.onGone);
    this.#parts.onGone();
    if (socket.destroyed) return;
    // The server's own listener must find the bytes before those that are still to come.
    socket.pause();
    socket.unshift(this.#early === null ? bytes : Buffer.concat([bytes, this.#early]));
    this.#parts.serve(socket);
    socket.resume();
  }

  readonly #onEnd = (): void => {
    this.#isEnded = true;
    if (!this.#isBusy) this.#socket.end();
  };
  readonly #onError = (): void => void this.#socket.destroy();
  readonly #onTimeout = (): void => this.endIfIdle();
}
