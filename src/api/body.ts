import type { IncomingMessage } from 'node:http';
import { AppError } from '../contract/errors.ts';
import { parseJson } from '../ingest/json.ts';

export type BodyLimits = { readonly maxBytes: number; readonly maxDepth: number };

/**
 * The JSON value of a request's body; undefined if it has none.
 * @throws AppError unsupported_media_type, too_large (nothing further is kept), bad_request
 */
export async function readJson(incoming: IncomingMessage, limits: BodyLimits): Promise<unknown> {
  const { headers } = incoming;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (!hasBody) return undefined;
  const type = headers['content-type'] ?? '';
  const encoding = headers['content-encoding'] ?? 'identity';
  if (!/^application\/json *(;|$)/i.test(type) || encoding !== 'identity') {
    const given = encoding === 'identity' ? type || 'none' : `${type} encoded with ${encoding}`;
    throw new AppError('unsupported_media_type', `the body must be application/json, not ${given}`);
  }
  return parseJson(decodeUtf8(await readBytes(incoming, limits.maxBytes)), limits.maxDepth);
}

export async function readBytes(incoming: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = (): AppError => new AppError('too_large', `the body is larger than ${maxBytes} bytes`);
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // The connection must outlive an early end: it carries the answer.
    for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Buffer).length;
      if (bytes > maxBytes) throw tooLarge();
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('bad_request', 'the body ended too early', { cause: error });
  }
  return Buffer.concat(chunks);
}

export function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new AppError('bad_request', 'the body is not UTF-8', { cause: error });
  }
}
