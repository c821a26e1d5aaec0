import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { publicLookup, requirePublicHost } from './addresses.ts';

export type Answer = { readonly status: number; readonly retryAfterMs: number | undefined };

/** Of the answer no more is read. */
const MAX_ANSWER_BYTES = 65_536;

/**
 * Posts a body over a connection of its own. Redirects are not followed, and proxies are not used: the address that was
 * checked is the one that gets it.
 * @throws AppError forbidden for an address that is not public, if it must be; what the network throws
 */
export async function post(
  url: URL,
  body: string,
  options: {
    readonly headers: Readonly<Record<string, string>>;
    readonly isPrivateAllowed: boolean;
    readonly now: () => number;
    readonly signal: AbortSignal;
  },
): Promise<Answer> {
  const { headers, isPrivateAllowed, now, signal } = options;
  if (!isPrivateAllowed) requirePublicHost(url);
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return await new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: 'POST',
      agent: false,
      headers: { ...headers, 'Content-Length': String(Buffer.byteLength(body)) },
      signal,
      ...(!isPrivateAllowed && { lookup: publicLookup }),
    });
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      const answer = {
        status: incoming.statusCode ?? 0,
        retryAfterMs: retryAfter(incoming.headers['retry-after'], now()),
      };
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) incoming.destroy();
      });
      incoming.on('error', reject);
      incoming.on('close', () => resolve(answer));
    });
    outgoing.end(body);
  });
}

/** Of the header `Retry-After`: seconds or a date. */
export function retryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}
