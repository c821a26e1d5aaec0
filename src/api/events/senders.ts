import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Clock } from '../../base/clock.ts';
import { AppError } from '../../contract/errors.ts';
import type { Access } from '../access.ts';
import { type Authenticated, authenticate } from '../auth.ts';
import type { Route } from './route.ts';

/** How long a token that was looked up is known. What it may do can change only through the daemon, which says so. */
const KNOWN_MS = 1_000;
const MAX_KNOWN = 1_000;
/** A caller with wrong tokens is answered slower with every one of them, for a minute. */
const SLOWER_MS = 50;
const SLOWEST_MS = 1_000;
const FORGET_MS = 60_000;

type Known = { readonly verified: Authenticated; readonly until: number };

/** Who sends: by the token of the path, which alone counts there, else as everywhere. */
export class Senders {
  readonly #access: Access;
  readonly #cookie: string;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();
  readonly #failures = new Map<string, { readonly count: number; readonly until: number }>();

  constructor(access: Access, cookie: string, clock: Clock) {
    this.#access = access;
    this.#cookie = cookie;
    this.#clock = clock;
  }

  /** Rights may have changed. */
  forget(): void {
    this.#known.clear();
  }

  /** @throws AppError unauthorized, foreign_origin */
  verify(headers: IncomingHttpHeaders, { door, token }: Route, isChanging: boolean): Authenticated {
    if (door === 'plain' && headers.authorization === undefined) {
      return authenticate({ headers, isChanging }, this.#access, this.#cookie);
    }
    const authorization = door === 'plain' ? headers.authorization : `Bearer ${token}`;
    const key = authorization ?? '';
    const now = this.#clock.now();
    const known = this.#known.get(key);
    if (known && known.until > now) return known.verified;
    const verified = authenticate({ headers: { authorization: key }, isChanging }, this.#access, this.#cookie);
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(key, { verified, until: Math.min(now + KNOWN_MS, verified.expiresAt ?? Infinity) });
    return verified;
  }

  /** How long an answer to somebody without a valid token waits, ms. */
  delay({ socket }: IncomingMessage): number {
    const address = socket.remoteAddress ?? '';
    const now = this.#clock.now();
    if (this.#failures.size > MAX_KNOWN) this.#failures.clear();
    const before = this.#failures.get(address);
    const count = before && before.until > now ? before.count + 1 : 1;
    this.#failures.set(address, { count, until: now + FORGET_MS });
    return Math.min(count * SLOWER_MS, SLOWEST_MS);
  }
}

/** Without a token: only where the configuration lets everybody of this machine in, and never from a browser. */
export function isOpenSender({ headers, socket, method }: IncomingMessage, route: Route): boolean {
  const isLoopback = /^(?:127\.|::1$|::ffff:127\.)/.test(socket.remoteAddress ?? '');
  const isBrowser = headers.origin !== undefined || Object.keys(headers).some((name) => name.startsWith('sec-fetch-'));
  const isPost = route.door === 'plain' && route.path === '/events' && method === 'POST';
  return isPost && isLoopback && !isBrowser && headers.authorization === undefined && headers.cookie === undefined;
}

export const unknownPath = (path: string): AppError => new AppError('not_found', `there is no path ${path}`);
