import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../contract/errors.ts';
import type { Operation } from '../contract/operation.ts';
import { SCOPES_THAT_SATISFY } from '../contract/shapes.ts';
import type { Access, Verified } from './access.ts';

/** A request's sender, and whether the token may still be used: a stream outlives the moment of the check. */
export type Authenticated = Verified & { readonly isStillValid: () => boolean };

/** Browsers do not separate cookies by port: the name does. */
export const cookieName = (port: number): string => `gantry_${port}`;

/**
 * Who sends this request: by `Authorization: Bearer`, else by the browser's cookie. A request by cookie that changes
 * something must name its Origin, which `checkSite` has found to be our own.
 * @throws AppError unauthorized, foreign_origin
 */
export function authenticate(
  { headers, isChanging }: { readonly headers: IncomingHttpHeaders; readonly isChanging: boolean },
  access: Access,
  cookie: string,
): Authenticated {
  const { authorization } = headers;
  const isByCookie = authorization === undefined;
  const token = isByCookie ? cookieOf(headers, cookie) : (bearerOf(headers) ?? undefined);
  const verified = token === undefined ? null : access.verify(token);
  if (token === undefined || verified === null) {
    throw new AppError(
      'unauthorized',
      isByCookie && token === undefined
        ? 'a token is needed: send Authorization: Bearer <token>, or log in with `gantry open`'
        : 'the token is not valid: this daemon never issued it, or it has expired or was revoked',
      { details: { remedy: '`gantry token` makes one.' } },
    );
  }
  if (isByCookie && isChanging && headers.origin === undefined) {
    throw new AppError('foreign_origin', 'a change by cookie needs an Origin header');
  }
  return { ...verified, isStillValid: () => access.verify(token) !== null };
}

/** The token of an `Authorization: Bearer` header. */
export const bearerOf = ({ authorization }: IncomingHttpHeaders): string | null =>
  /^Bearer +([^\s]+) *$/i.exec(authorization ?? '')?.[1] ?? null;

/**
 * An agent's own token never answers approvals and never hands out rights, whatever its scope; what is made for agents it
 * may call without the scope that others need.
 * @throws AppError forbidden
 */
export function authorize(
  { caller }: Verified,
  { scope, isForAgents, isForCallers }: Pick<Operation, 'scope' | 'isForAgents' | 'isForCallers'>,
): void {
  if (caller.agent !== null && isForAgents) return;
  const needed = SCOPES_THAT_SATISFY[scope];
  if (!needed.includes(caller.scope)) {
    throw new AppError('forbidden', `the token has the scope ${caller.scope}; needed: ${needed.join(' or ')}`);
  }
  if (caller.callers && !isForCallers) {
    throw new AppError('forbidden', 'the token is bound to callers: it may only delegate tasks in their names');
  }
  if (caller.agent !== null && (scope === 'approve' || scope === 'admin')) {
    throw new AppError('forbidden', `the token of an agent (${caller.agent}) may not do this`);
  }
}

function cookieOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) || undefined;
}
