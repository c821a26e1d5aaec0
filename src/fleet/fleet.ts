import type { WebSocket } from 'ws';
import type { Away } from '../backends/backend.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { deferred, settled } from '../base/wait.ts';
import { toAppError } from '../contract/errors.ts';
import type { FleetNode, NodeName, NodeRight } from '../contract/node.ts';
import type { KnownNode } from './known-node.ts';
import { CLOSED, PROTOCOL } from './protocol.ts';
import type { Hello, Welcome } from './wire.ts';

/** For the first words of a connection. */
const HELLO_LIMIT_MS = 10_000;
const MAX_NODES = 256;
/** Tokens end by time too. */
const RECHECK_MS = 60_000;
/** A connection that comes and goes is not told of more often. */
const NOTE_MS = 60_000;

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
  /** Of those who wait for a node. */
  readonly #wakes = new Set<() => void>();
  readonly #noted = new Map<NodeName, number>();
  readonly #startedAt: number;
  #cancelRecheck: (() => void) | null = null;
  #isClosed = false;
  /** Called when a node can be used that could not before. */
  onJoined: () => void = () => undefined;

  constructor(parts: FleetParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
  }

  /** Null while it is not connected. */
  find(name: NodeName): KnownNode | null {
    const node = this.#nodes.get(name);
    return node?.isConnected ? node : null;
  }

  /** Null while it is connected. Its lease runs from the loss of the connection, or from the start of the daemon. */
  awayOf(name: NodeName): Away | null {
    if (this.find(name) !== null) return null;
    const isPassing = this.#nodes.has(name) || this.#parts.clock.now() - this.#startedAt < this.#parts.leaseMs();
    return { cause: this.awayText(name), isPassing };
  }

  awayText(name: NodeName): string {
    return `node ${name} is not connected; on that machine: gantry node join URL --name ${name}`;
  }

  /** As soon as it is connected; null if it is not in time. */
  async wait(name: NodeName, limitMs: number, signal: AbortSignal): Promise<KnownNode | null> {
    const end = this.#parts.clock.now() + limitMs;
    for (;;) {
      const node = this.find(name);
      const left = end - this.#parts.clock.now();
      if (node !== null || left <= 0 || this.#isClosed || signal.aborted) return node;
      const woken = deferred<true>();
      const wake = (): void => woken.resolve(true);
      this.#wakes.add(wake);
      signal.addEventListener('abort', wake, { once: true });
      await settled(woken.promise, left);
      this.#wakes.delete(wake);
      signal.removeEventListener('abort', wake);
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
    const cancel = this.#parts.clock.after(HELLO_LIMIT_MS, () => socket.close(CLOSED.refused, 'no hello'));
    socket.once('close', cancel);
    socket.once('message', (data) => {
      cancel();
      this.#meet(socket, String(data), right).catch((error: unknown) => {
        this.#parts.log.error({ err: toAppError(error) }, 'a node could not be let in');
        socket.terminate();
      });
    });
  }

  /** What nodes need is loaded for the first of them. Until it is welcomed, a node says no more. */
  async #meet(socket: WebSocket, said: string, right: NodeRight): Promise<void> {
    const { helloOf, KnownNode: Node } = await import('./known-node.ts');
    const hello = helloOf(said);
    if (hello === null) return socket.close(CLOSED.refused, 'the hello is not one');
    const refusal = this.#refusalOf(hello, right.only);
    if (refusal !== null) return socket.close(refusal.code, refusal.why);
    if (this.#isClosed || socket.readyState !== socket.OPEN) return socket.terminate();
    if (!right.isStillValid()) return socket.close(CLOSED.revoked);
    this.#welcome(socket, hello, right, Node);
  }

  /** Lets go of those whose token is no longer valid. */
  readonly recheck = (): void => {
    for (const [name, node] of this.#nodes)
      if (!node.right.isStillValid())
        this.#drop(name, node, `the token of node ${name} is no longer valid`, CLOSED.revoked);
    this.#armRecheck();
  };

  #armRecheck(): void {
    this.#cancelRecheck?.();
    const isDue = this.#nodes.size > 0 && !this.#isClosed;
    this.#cancelRecheck = isDue ? this.#parts.clock.after(RECHECK_MS, this.recheck) : null;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRecheck?.();
    for (const cancel of this.#leases.values()) cancel();
    for (const node of this.#nodes.values()) node.giveUp('the daemon stops');
    this.#wake();
  }

  #refusalOf(hello: Hello, only: string | null): { readonly code: number; readonly why: string } | null {
    if (hello.protocol !== PROTOCOL)
      return { code: CLOSED.refused, why: `this daemon speaks protocol ${PROTOCOL}, the node ${hello.protocol}` };
    if (only !== null && only !== hello.name)
      return { code: CLOSED.refused, why: `the token is for a node named "${only}"` };
    const known = this.#nodes.get(hello.name);
    if (known?.isConnected && known.hello.instance !== hello.instance)
      return { code: CLOSED.nameTaken, why: `a node named "${hello.name}" is connected` };
    if (!known && this.#nodes.size >= MAX_NODES)
      return { code: CLOSED.nameTaken, why: `${MAX_NODES} nodes are known already` };
    return null;
  }

  #welcome(socket: WebSocket, hello: Hello, right: NodeRight, Node: typeof KnownNode): void {
    const { clock, leaseMs, url } = this.#parts;
    const { name } = hello;
    this.#leases.get(name)?.();
    this.#leases.delete(name);
    const known = this.#nodes.get(name);
    const isBack =
      known !== undefined &&
      !known.link.isClosed &&
      known.hello.instance === hello.instance &&
      known.plane === hello.link?.plane;
    if (known && !isBack) known.giveUp(`node ${name} was started anew`);
    const node: KnownNode = isBack
      ? known
      : new Node(hello, right, {
          clock,
          onDetached: (hasLeft) => (hasLeft ? this.#drop(name, node, `node ${name} has left`) : this.#away(name, node)),
          onFault: (why) => this.#drop(name, node, why),
        });
    this.#nodes.set(name, node);
    node.right = right;
    const received = isBack ? node.link.received : null;
    const welcome: Welcome = { plane: node.plane, url: url(), leaseMs: leaseMs(), received };
    socket.send(JSON.stringify(welcome));
    node.link.attach(socket, isBack ? (hello.link?.received ?? 0) : 0);
    node.since = clock.now();
    this.#note(name, 'info', isBack ? `node ${name} is back` : `node ${name} joined: ${hello.backends.join(', ')}`);
    this.#armRecheck();
    this.#wake();
    this.onJoined();
  }

  #away(name: NodeName, node: KnownNode): void {
    const { clock, leaseMs } = this.#parts;
    if (this.#isClosed || this.#nodes.get(name) !== node) return;
    node.since = clock.now();
    this.#note(name, 'warning', `node ${name} is away; its agents go on for ${Math.round(leaseMs() / 1_000)} s`);
    const why = `node ${name} was away longer than its lease`;
    this.#leases.set(
      name,
      clock.after(leaseMs(), () => this.#drop(name, node, why)),
    );
  }

  #drop(name: NodeName, node: KnownNode, why: string, code?: number): void {
    if (this.#nodes.get(name) !== node) return;
    this.#nodes.delete(name);
    this.#leases.get(name)?.();
    this.#leases.delete(name);
    node.giveUp(why, code);
    this.#noted.delete(name);
    this.#note(name, 'warning', why);
  }

  #note(name: NodeName, level: 'info' | 'warning', text: string): void {
    const { clock, log, note } = this.#parts;
    const last = this.#noted.get(name) ?? Number.NEGATIVE_INFINITY;
    log.info({ node: name }, text);
    if (clock.now() - last < NOTE_MS) return;
    this.#noted.set(name, clock.now());
    note(name, level, text);
  }

  #wake(): void {
    for (const wake of this.#wakes) wake();
  }
}
