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
const OK = [
  'HTTP/1.1 200 OK',
  ...Object.entries(HEADERS).map(([name, value]) => `${name}: ${value}`),
  'Content-Type: application/json',
  'Content-Length: ',
].join('\r\n');

/** How long a connection is kept for its next request. */
export const KEEP_ALIVE_S = 30;

const KEPT = `\r\nConnection: keep-alive\r\nKeep-Alive: timeout=${KEEP_ALIVE_S}\r\n\r\n`;

/** Heads of answers to events that were taken, on connections that are kept: as `answer` and the HTTP server send them. */
export class OkHeads {
  #second = 0;
  #date = '';

  of(length: number): string {
    const now = Math.floor(Date.now() / 1_000);
    if (now !== this.#second) {
      this.#second = now;
      this.#date = new Date(now * 1_000).toUTCString();
    }
    return `${OK}${length}\r\nDate: ${this.#date}${KEPT}`;
  }
}

export type Headers = Readonly<Record<string, string>>;

export function answer(response: ServerResponse, status: number, body: string | null, headers: Headers): void {
  const length = body === null ? 0 : Buffer.byteLength(body);
  const type = body === null || 'Content-Type' in headers ? {} : { 'Content-Type': 'application/json' };
  const size = status === 204 ? {} : { 'Content-Length': length };
  response.writeHead(status, { ...HEADERS, ...type, ...size, ...headers });
  response.end(body ?? undefined);
}

/** The problem document of an error, with the keys that the original's clients read beside it. */
export function eventProblem(error: AppError) {
  const { issues, ...problem } = problemOf(error);
  return { ...problem, error: problem.detail, ...(issues === undefined ? {} : { errors: issues }) };
}

export function problemJson(error: AppError, more: object = {}): { readonly status: number; readonly json: string } {
  const problem = eventProblem(error);
  return { status: problem.status, json: JSON.stringify({ ...problem, ...more }) };
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
