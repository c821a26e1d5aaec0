import type { Endpoint } from '../contract/isolation.ts';

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1']);

export const isLoopback = ({ host }: Endpoint): boolean => LOOPBACK.has(host);

/** Whether the list names it: the same port, and the same name, or `*.` with something in its place. */
export function isAllowed({ host, port }: Endpoint, list: readonly Endpoint[]): boolean {
  return list.some((entry) => {
    if (entry.port !== port) return false;
    if (isLoopback(entry)) return LOOPBACK.has(host);
    const suffix = entry.host.startsWith('*.') ? entry.host.slice(1) : null;
    return suffix === null ? entry.host === host : host.endsWith(suffix) && host.length > suffix.length;
  });
}
