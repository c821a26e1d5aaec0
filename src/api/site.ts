import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../contract/errors.ts';

/** The `Host` values that the daemon serves: loopback at its port, and what the configuration adds. */
export function servedHosts(port: number, names: readonly string[]): ReadonlySet<string> {
  const loopback = ['localhost', '127.0.0.1', '[::1]'];
  const hosts = loopback.map((name) => `${name}:${port}`);
  return new Set([...hosts, ...(port === 80 ? loopback : []), ...names.map((name) => name.toLowerCase())]);
}

/**
 * Keeps other sites out: a page of theirs cannot reach the daemon under a name of its own (DNS rebinding), nor from
 * an origin of its own.
 * @throws AppError foreign_origin
 */
export function checkSite(headers: IncomingHttpHeaders, hosts: ReadonlySet<string>): void {
  const host = headers.host?.toLowerCase() ?? '';
  if (!hosts.has(host)) {
    throw new AppError('foreign_origin', `the Host ${JSON.stringify(host)} is not served: ${[...hosts].join(', ')}`);
  }
  const { origin } = headers;
  if (origin !== undefined && !isOwnOrigin(origin, host)) {
    throw new AppError('foreign_origin', `the Origin ${JSON.stringify(origin)} is not this daemon's own`);
  }
}

const isOwnOrigin = (origin: string, host: string): boolean =>
  origin.toLowerCase() === `http://${host}` || origin.toLowerCase() === `https://${host}`;
