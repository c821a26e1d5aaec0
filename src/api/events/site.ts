import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../../contract/errors.ts';
import { checkSite } from '../site.ts';
import type { Route } from './route.ts';

/** The page of an old client, on whatever port it is served. */
const LOOPBACK = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;

/**
 * Who may call from where: a plain path only from the daemon's own origin; a path that is a token also from pages of this
 * machine and of the origins that the configuration names.
 * @returns the origin to be let in by the answer's headers; null if it came from no other
 * @throws AppError foreign_origin
 */
export function checkEventSite(
  headers: IncomingHttpHeaders,
  route: Route,
  { hosts, origins }: { readonly hosts: ReadonlySet<string>; readonly origins: readonly string[] },
): string | null {
  const { origin, ...rest } = headers;
  if (route.door === 'plain' || origin === undefined) {
    checkSite(headers, hosts);
    return null;
  }
  checkSite(rest, hosts);
  if (LOOPBACK.test(origin) || origins.includes(origin)) return origin;
  throw new AppError(
    'foreign_origin',
    `the Origin ${JSON.stringify(origin)} is not let in: observe.origins names some`,
  );
}

/** Lets a page of that origin read the answer. */
export const corsHeaders = (origin: string | null): Readonly<Record<string, string>> =>
  origin === null ? {} : { 'Access-Control-Allow-Origin': origin, Vary: 'Origin' };

export const PREFLIGHT = {
  'Access-Control-Allow-Methods': 'GET, POST, PUT, DELETE',
  'Access-Control-Allow-Headers': 'Content-Type, Authorization, Idempotency-Key',
  'Access-Control-Max-Age': '600',
} as const;
