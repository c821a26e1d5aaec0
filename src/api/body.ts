import type { IncomingMessage } from 'node:http';
import { AppError } from '../contract/errors.ts';

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
  return parseJson(decode(await readBytes(incoming, limits.maxBytes)), limits.maxDepth);
}

async function readBytes(incoming: IncomingMessage, maxBytes: number): Promise<Buffer> {
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

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new AppError('bad_request', 'the body is not UTF-8', { cause: error });
  }
}

/**
 * Parses JSON that may come from anyone: nesting is bounded, so that no later walk over the value can overflow the stack.
 * @throws AppError bad_request, saying where
 */
export function parseJson(text: string, maxDepth: number): unknown {
  const deepAt = firstDeeperThan(text, maxDepth);
  if (deepAt !== null) {
    throw new AppError('bad_request', `the JSON is nested deeper than ${maxDepth} levels at position ${deepAt}`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new AppError('bad_request', `the body is not JSON: ${error.message}`, { cause: error });
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The position of the first bracket at a depth over `max`; brackets in strings do not count. */
function firstDeeperThan(text: string, max: number): number | null {
  let depth = 0;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) i = endOfString(text, i);
    // `[` and `{`, `]` and `}` differ in one bit.
    else if ((code | 0x20) === 0x7b) {
      depth += 1;
      if (depth > max) return i;
    } else if ((code | 0x20) === 0x7d) depth -= 1;
  }
  return null;
}

function endOfString(text: string, from: number): number {
  let i = from + 1;
  for (; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) break;
    if (code === BACKSLASH) i += 1;
  }
  return i;
}
