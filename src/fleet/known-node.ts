import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import type { NodeRight } from '../contract/node.ts';
import { Link } from './link.ts';
import { Peer } from './peer.ts';
import { parsed } from './protocol.ts';
import type { RemoteSession } from './remote-session.ts';
import { Hello } from './wire.ts';

/** A node's first words; null if they are none. */
export const helloOf = (text: string): Hello | null => Hello.safeParse(parsed(text)).data ?? null;

/** A node as the plane sees it, from its first connection until it is given up. */
export class KnownNode {
  readonly hello: Hello;
  /** Of this link: a node that brings it again goes on with it. */
  readonly plane = randomUUID();
  readonly link: Link;
  readonly peer: Peer;
  since: number;
  /** Of the token that it came in by last. */
  right: NodeRight;
  readonly #sessions = new Map<string, RemoteSession>();

  constructor(hello: Hello, right: NodeRight, { clock, onDetached, onFault }: NodeParts) {
    this.hello = hello;
    this.right = right;
    this.since = clock.now();
    const onMessage = (message: unknown): void => {
      try {
        this.peer.take(message);
      } catch (error) {
        onFault(toAppError(error).message);
      }
    };
    this.link = new Link({ clock, onMessage, onDetached, onBroken: ({ message }) => onFault(message) });
    this.peer = new Peer(this.link, {
      serve: null,
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

  /** Nothing of it counts any more. `code`: what it is told, with the cause. */
  giveUp(why: string, code?: number): void {
    this.link.close(code, why);
    this.peer.close(new AppError('backend_failed', why));
    for (const session of [...this.#sessions.values()]) session.lost(why);
  }
}

type NodeParts = {
  readonly clock: Clock;
  readonly onDetached: (hasLeft: boolean) => void;
  readonly onFault: (why: string) => void;
};
