import type { ServerResponse } from 'node:http';
import type { AppError } from '../../contract/errors.ts';
import { PROBLEM_TYPE, problemOf } from '../problem.ts';

const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const;
const RETRY_S = '1';

export type Headers = Readonly<Record<string, string>>;

export function answer(response: ServerResponse, status: number, body: string | null, headers: Headers): void {
  const length = body === null ? 0 : Buffer.byteLength(body);
  const type = body === null || 'Content-Type' in headers ? {} : { 'Content-Type': 'application/json' };
  const size = status === 204 ? {} : { 'Content-Length': length };
  response.writeHead(status, { ...HEADERS, ...type, ...size, ...headers });
  response.end(body ?? undefined);
}

/** The problem document of an error, with the keys that the original's clients read beside it. */
export function problemJson(error: AppError, more: object = {}): { readonly status: number; readonly json: string } {
  const { issues, ...problem } = problemOf(error);
  const words = { error: problem.detail, ...(issues === undefined ? {} : { errors: issues }) };
  return { status: problem.status, json: JSON.stringify({ ...problem, ...words, ...more }) };
}

export function answerError(response: ServerResponse, error: AppError, headers: Headers, more: object = {}): void {
  if (response.headersSent || response.destroyed) return;
  const { status, json } = problemJson(error, more);
  answer(response, status, json, {
    'Content-Type': PROBLEM_TYPE,
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer realm="gantry"' } : {}),
    ...(status === 503 || status === 429 ? { 'Retry-After': RETRY_S } : {}),
    // What is left of a body that was refused would be taken for the next request.
    ...(status === 413 ? { Connection: 'close' } : {}),
    ...headers,
  });
}
