import { randomUUID } from 'node:crypto';
import type { WebSocket } from 'ws';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { deferred, settled } from '../base/wait.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import type { FleetNode, NodeName } from '../contract/node.ts';
import { Link } from './link.ts';
import { Peer } from './peer.ts';
import type { RemoteSession } from './remote-session.ts';
import { Hello, PROTOCOL, type Welcome } from './wire.ts';

/** For the first words of a connection. */
const HELLO_LIMIT_MS = 10_000;
const MAX_NODES = 256;
/** Close codes that tell a node not to come again by itself; the reason is for its person. */
const REFUSED = 4400;
const NAME_TAKEN = 4409;

/** A node as the plane sees it, from its first connection until it is given up. */
export class KnownNode {
  readonly hello: Hello;
  /** Of this link: a node that brings it again goes on with it. */
  readonly plane = randomUUID();
  readonly link: Link;
  readonly peer: Peer;
  since: number;
  /** Of the token that it came in by. */
  isStillValid: () => boolean = () => true;
  readonly #sessions = new Map<string, RemoteSession>();

  constructor(hello: Hello, { clock, onDetached, onFault }: NodeParts) {
    this.hello = hello;
    this.since = clock.now();
    const onMessage = (message: unknown): void => {
      try {
        this.peer.take(message);
      } catch (error) {
        onFault(toAppError(error).message);
      }
    };
    this.link = new Link({ clock, onMessage, onDetached });
    this.peer = new Peer(this.link, {
      serve: (name) => Promise.reject(new AppError('forbidden', `a node may not ask for ${name}`)),
      onEvent: (word) => this.#sessions.get(word.session)?.hear(word),
    });
  }

  get isConnected(): boolean {
    return this.link.isAttached;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  listen(id: string, session: RemoteSession): void {
    this.#sessions.set(id, session);
  }

  forget(id: string): void {
    this.#sessions.delete(id);
  }

  /** Nothing of it counts any more. */
  giveUp(why: string): void {
    this.link.close();
    this.peer.close(new AppError('backend_failed', why));
    for (const session of [...this.#sessions.values()]) session.lost(why);
  }
}

type NodeParts = {
  readonly clock: Clock;
  readonly onDetached: () => void;
  readonly onFault: (why: string) => void;
};

/** What the token of a connection is good for. `only`: the one name; null: any. */
export type NodeRight = { readonly only: string | null; readonly isStillValid: () => boolean };

export type FleetParts = {
  readonly clock: Clock;
  readonly log: Log;
  /** How long a node may be away before its agents are taken for lost. */
  readonly leaseMs: () => number;
  readonly url: () => string;
  /** Nodes that the configuration names. */
  readonly expected: readonly NodeName[];
  /** Records what became of a node. */
  readonly note: (node: NodeName, level: 'info' | 'warning', text: string) => void;
};

/** The machines that offer themselves as hosts. They dial in: nothing here connects to them. */
export class Fleet {
  readonly #parts: FleetParts;
  readonly #nodes = new Map<NodeName, KnownNode>();
  readonly #leases = new Map<NodeName, () => void>();
  #wakes: (() => void)[] = [];
  #isClosed = false;
  /** Called when a node can be used that could not before. */
  onJoined: () => void = () => undefined;

  constructor(parts: FleetParts) {
    this.#parts = parts;
  }

  /** Null while it is not connected. */
  find(name: NodeName): KnownNode | null {
    const node = this.#nodes.get(name);
    return node?.isConnected ? node : null;
  }

  /** As soon as it is connected; null if it is not in time. */
  async wait(name: NodeName, limitMs: number, signal: AbortSignal): Promise<KnownNode | null> {
    const end = this.#parts.clock.now() + limitMs;
    for (;;) {
      const node = this.find(name);
      const left = end - this.#parts.clock.now();
      if (node !== null || left <= 0 || this.#isClosed || signal.aborted) return node;
      const woken = deferred<true>();
      this.#wakes.push(() => woken.resolve(true));
      signal.addEventListener('abort', () => woken.resolve(true), { once: true });
      await settled(woken.promise, left);
    }
  }

  list(): FleetNode[] {
    const known = [...this.#nodes.values()].map(({ hello, isConnected, since, sessions }): FleetNode => {
      const { name, version, system, backends } = hello;
      return { name, version, system, backends, sessions, since, state: isConnected ? 'connected' : 'away' };
    });
    const nothing = { version: null, system: null, backends: [], sessions: 0, since: null };
    const others = this.#parts.expected.filter((name) => !this.#nodes.has(name));
    const expected = others.map((name): FleetNode => ({ name, ...nothing, state: 'expected' }));
    return [...known, ...expected].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** A connection that was let in. */
  accept(socket: WebSocket, right: NodeRight): void {
    socket.on('error', () => socket.terminate());
    const cancel = this.#parts.clock.after(HELLO_LIMIT_MS, () => socket.close(REFUSED, 'no hello'));
    socket.once('close', cancel);
    socket.once('message', (data) => {
      cancel();
      const hello = Hello.safeParse(parsed(String(data)));
      if (!hello.success) return socket.close(REFUSED, 'the hello is not one');
      const refusal = this.#refusalOf(hello.data, right.only);
      if (refusal !== null) return socket.close(refusal.code, refusal.why);
      this.#welcome(socket, hello.data, right);
    });
  }

  /** Lets go of those whose token is no longer valid. */
  recheck(): void {
    for (const [name, node] of this.#nodes)
      if (!node.isStillValid()) this.#drop(name, node, `the token of node ${name} is no longer valid`);
  }

  close(): void {
    this.#isClosed = true;
    for (const cancel of this.#leases.values()) cancel();
    for (const node of this.#nodes.values()) node.giveUp('the daemon stops');
    this.#wake();
  }

  #refusalOf(hello: Hello, only: string | null): { readonly code: number; readonly why: string } | null {
    if (hello.protocol !== PROTOCOL)
      return { code: REFUSED, why: `this daemon speaks protocol ${PROTOCOL}, the node ${hello.protocol}` };
    if (only !== null && only !== hello.name) return { code: REFUSED, why: `the token is for a node named "${only}"` };
    const known = this.#nodes.get(hello.name);
    if (known?.isConnected && known.hello.instance !== hello.instance)
      return { code: NAME_TAKEN, why: `a node named "${hello.name}" is connected` };
    if (!known && this.#nodes.size >= MAX_NODES)
      return { code: NAME_TAKEN, why: `${MAX_NODES} nodes are known already` };
    return null;
  }

  #welcome(socket: WebSocket, hello: Hello, { isStillValid }: NodeRight): void {
    const { clock, leaseMs, url, note } = this.#parts;
    const { name } = hello;
    this.#leases.get(name)?.();
    this.#leases.delete(name);
    const known = this.#nodes.get(name);
    const isBack = known !== undefined && known.hello.instance === hello.instance && known.plane === hello.link?.plane;
    if (known && !isBack) known.giveUp(`node ${name} was started anew`);
    const node = isBack
      ? known
      : new KnownNode(hello, {
          clock,
          onDetached: () => this.#away(name, node),
          onFault: (why) => this.#drop(name, node, why),
        });
    this.#nodes.set(name, node);
    node.isStillValid = isStillValid;
    const received = isBack ? node.link.received : null;
    const welcome: Welcome = { plane: node.plane, url: url(), leaseMs: leaseMs(), received };
    socket.send(JSON.stringify(welcome));
    node.link.attach(socket, isBack ? (hello.link?.received ?? 0) : 0);
    node.since = clock.now();
    note(name, 'info', isBack ? `node ${name} is back` : `node ${name} joined: ${hello.backends.join(', ')}`);
    this.#wake();
    this.onJoined();
  }

  #away(name: NodeName, node: KnownNode): void {
    const { clock, leaseMs, note } = this.#parts;
    if (this.#isClosed || this.#nodes.get(name) !== node) return;
    node.since = clock.now();
    note(name, 'warning', `node ${name} is away; its agents go on for ${Math.round(leaseMs() / 1_000)} s`);
    const why = `node ${name} was away longer than its lease`;
    this.#leases.set(
      name,
      clock.after(leaseMs(), () => this.#drop(name, node, why)),
    );
  }

  #drop(name: NodeName, node: KnownNode, why: string): void {
    if (this.#nodes.get(name) !== node) return;
    this.#nodes.delete(name);
    this.#leases.get(name)?.();
    this.#leases.delete(name);
    node.giveUp(why);
    this.#parts.note(name, 'warning', why);
  }

  #wake(): void {
    const wakes = this.#wakes;
    this.#wakes = [];
    for (const wake of wakes) wake();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
