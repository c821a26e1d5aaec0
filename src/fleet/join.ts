import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Clock } from '../base/clock.ts';
import { deferred, pause, settled } from '../base/wait.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import { NODE_PATH, type NodeName } from '../contract/node.ts';
import { Link } from './link.ts';
import { Peer } from './peer.ts';
import { CLOSED, MAX_MESSAGE_BYTES, PROTOCOL, parsed } from './protocol.ts';
import { openRelay, type Relay } from './relay.ts';
import { NodeServer, type ServeParts } from './serve.ts';
import { type Hello, Welcome } from './wire.ts';

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
const CONNECT_LIMIT_MS = 10_000;

export type JoinParts = Omit<ServeParts, 'addresses'> & {
  /** The plane's, as it is reached from here. */
  readonly url: string;
  readonly token: string;
  readonly name: NodeName;
  readonly version: string;
  readonly system: string;
  readonly clock: Clock;
  /** One line for the person who watches. */
  readonly say: (text: string) => void;
  /** Leaves the fleet. */
  readonly signal: AbortSignal;
};

/** What a node holds for one plane that it has met. */
type Membership = { readonly plane: string; readonly link: Link; readonly peer: Peer; readonly server: NodeServer };

/**
 * Offers this machine to a control plane until the signal: connects, and connects again whenever the connection is lost. The
 * agents here go on meanwhile, for as long as the plane's lease.
 * @throws AppError `unauthorized`, `forbidden`, `not_found`: the plane will not have it
 */
export async function joinFleet(parts: JoinParts): Promise<void> {
  await parts.checkouts.tidy(parts.clock.now());
  let planeHost = '';
  await using relay = await openRelay(parts.url, () => planeHost);
  await new Joiner(parts, relay, (url) => {
    planeHost = new URL(url).host;
  }).run();
}

class Joiner {
  readonly #parts: JoinParts;
  readonly #instance = randomUUID();
  readonly #relay: Relay;
  readonly #onNamed: (url: string) => void;
  #member: Membership | null = null;
  #leaseMs = 0;
  #lostAt = 0;
  #wait = FIRST_PAUSE_MS;

  /** `onNamed` is told what the plane calls itself. */
  constructor(parts: JoinParts, relay: Relay, onNamed: (url: string) => void) {
    this.#parts = parts;
    this.#relay = relay;
    this.#onNamed = onNamed;
  }

  async run(): Promise<void> {
    const { signal, url, name, clock, say } = this.#parts;
    try {
      while (!signal.aborted) {
        const socket = await connect(this.#parts);
        if (socket) {
          const closed = closing(socket);
          if (await this.#greet(socket, closed)) {
            this.#wait = FIRST_PAUSE_MS;
            say(`joined ${url} as ${name}`);
            const end = await Promise.race([closed, aborted(signal)]);
            if (end?.code === CLOSED.revoked) throw this.#tokenEnded();
            this.#lostAt = clock.now();
            if (!signal.aborted) say('the connection is lost; agents go on');
          }
        }
        await this.#expire();
        await pause(this.#wait, signal);
        this.#wait = Math.min(this.#wait * 2, LONGEST_PAUSE_MS);
      }
    } finally {
      await leave(this.#member);
    }
  }

  #tokenEnded(): AppError {
    const { name } = this.#parts;
    const remedy = `where Gantry runs, gantry token --scope node --name ${name} makes another`;
    return new AppError('unauthorized', `the token has ended: it was revoked or has expired; ${remedy}`);
  }

  #hello(): Hello {
    const { name, version, system, backends } = this.#parts;
    const link = this.#member &&
      !this.#member.link.isClosed && { plane: this.#member.plane, received: this.#member.link.received };
    const about = { name, version, system, instance: this.#instance };
    return { protocol: PROTOCOL, ...about, backends: [...backends.keys()], link: link || null };
  }

  /** Whether the plane has let it in. What follows its answer may come in the same moment: the link is attached in it. */
  async #greet(socket: WebSocket, closed: Promise<Closing>): Promise<boolean> {
    const welcomed = deferred<true>();
    socket.once('message', (data) => {
      const welcome = Welcome.safeParse(parsed(String(data)));
      if (!welcome.success) return socket.terminate();
      this.#enter(socket, welcome.data);
      welcomed.resolve(true);
    });
    socket.send(JSON.stringify(this.#hello()));
    const answer = await settled(Promise.race([welcomed.promise, closed]), CONNECT_LIMIT_MS);
    if (answer === true) return true;
    socket.terminate();
    if (answer?.code === CLOSED.revoked) throw this.#tokenEnded();
    if (answer?.code === CLOSED.refused) throw new AppError('forbidden', answer.reason);
    if (answer?.code === CLOSED.nameTaken) this.#parts.say(`${answer.reason}; trying again`);
    return false;
  }

  #enter(socket: WebSocket, { plane, url, leaseMs, received }: Welcome): void {
    this.#leaseMs = leaseMs;
    this.#onNamed(url);
    if (this.#member === null || this.#member.link.isClosed || received === null)
      this.#member = membership(this.#parts, this.#relay, { plane, url, before: leave(this.#member) });
    this.#member.link.attach(socket, received ?? 0);
  }

  /** The plane has given the work to others by then. */
  async #expire(): Promise<void> {
    const { clock, say } = this.#parts;
    if (this.#member === null || clock.now() - this.#lostAt <= this.#leaseMs) return;
    say('away longer than the lease: the sessions here are closed');
    await leave(this.#member);
    this.#member = null;
  }
}

/** Null if nobody answers now. */
async function connect({ url, token, signal }: JoinParts): Promise<WebSocket | null> {
  const socket = new WebSocket(`${url.replace(/^http/, 'ws').replace(/\/$/, '')}${NODE_PATH}`, {
    headers: { Authorization: `Bearer ${token}` },
    handshakeTimeout: CONNECT_LIMIT_MS,
    maxPayload: 2 * MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  const opened = Promise.withResolvers<WebSocket | null>();
  socket.on('error', () => opened.resolve(null));
  socket.once('open', () => opened.resolve(socket));
  socket.once('unexpected-response', (_request, { statusCode = 0 }) => {
    socket.terminate();
    if (statusCode === 401)
      opened.reject(
        new AppError('unauthorized', `${url} does not know the token: it has ended, or is another Gantry's`),
      );
    else if (statusCode === 403)
      opened.reject(new AppError('forbidden', 'the token is not for nodes: gantry token --scope node'));
    else if (statusCode === 404) opened.reject(new AppError('not_found', `${url} takes no nodes`));
    else opened.resolve(null);
  });
  const leave = (): void => socket.terminate();
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await opened.promise;
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

/** What begins with a plane that does not know this node, once what ran for it `before` has ended. */
function membership(
  parts: JoinParts,
  relay: Relay,
  { plane, url, before }: { readonly plane: string; readonly url: string; readonly before: Promise<void> },
): Membership {
  const server = new NodeServer({ ...parts, addresses: () => [[url, relay.url]] });
  const onMessage = (message: unknown): void => {
    try {
      peer.take(message);
    } catch (error) {
      parts.log.error({ err: toAppError(error) }, 'the plane said what nobody may say');
      link.close();
    }
  };
  const nothing = (): void => undefined;
  // A link that broke is seen at the next greeting.
  const link: Link = new Link({ clock: parts.clock, onMessage, onDetached: nothing, onBroken: nothing });
  const peer: Peer = new Peer(link, {
    serve: async (name, input, given) => {
      await before;
      return await server.serve(name, input, given, peer);
    },
    onEvent: () => undefined,
  });
  return { plane, link, peer, server };
}

/** Ends what runs for a plane that is not there any more. */
async function leave(member: Membership | null): Promise<void> {
  if (member === null) return;
  await member.server.closeAll();
  member.peer.close(new AppError('cancelled', 'the node has left'));
  member.link.close(CLOSED.left);
}

/** How a connection ended. */
type Closing = { readonly code: number; readonly reason: string };

const closing = (socket: WebSocket): Promise<Closing> =>
  new Promise((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
  });

const aborted = async (signal: AbortSignal): Promise<null> => {
  if (!signal.aborted) await once(signal, 'abort');
  return null;
};
