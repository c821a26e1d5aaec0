/** How a request came: by a plain path with a token of its own, or by a path that is the token. */
export type Door = 'plain' | 'in' | 'view';

export type Route = {
  readonly door: Door;
  /** Of the path; null on a plain one. */
  readonly token: string | null;
  /** Without the door and the token, such as `/events/recent`. */
  readonly path: string;
  /** From the question mark on. */
  readonly search: string;
};

const PLAIN = /^\/(?:events(?:\/|$)|stream$|hook$|api\/themes(?:\/|$))/;
const CAPABILITY = /^\/(in|view)\/([^/]*)(\/.*)?$/;

/** The events API's part of the daemon's paths; null for a path of others. */
export function routeOf(url: string): Route | null {
  const mark = url.indexOf('?');
  const search = mark === -1 ? '' : url.slice(mark);
  const raw = mark === -1 ? url : url.slice(0, mark);
  const path = raw.includes('//') ? raw.replace(/\/{2,}/g, '/') : raw;
  if (PLAIN.test(path)) return { door: 'plain', token: null, path, search };
  const found = CAPABILITY.exec(path);
  if (!found) return null;
  return { door: found[1] === 'in' ? 'in' : 'view', token: found[2] ?? '', path: found[3] ?? '/', search };
}

/** A path as it may be shown: without the token that is in it. */
export const shownPath = ({ door, path }: Route): string => (door === 'plain' ? path : `/${door}/***${path}`);
