import { AppError, ERRORS, type ErrorCode } from '../contract/errors.ts';
import { Problem } from '../contract/shapes.ts';

export type SendInit = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Sends a request to the daemon; the answer is a good one.
 * @throws AppError with the daemon's code; daemon_unreachable; cancelled or timeout by `signal`
 */
export type Send = (path: string, init?: SendInit) => Promise<Answer>;

/** Of a `Response` what the client reads; either `text` or `body`, once. */
export type Answer = Pick<Response, 'ok' | 'status' | 'text' | 'body'>;

/** Of `fetch` what the client asks for: that fits, and something smaller may. */
export type Fetch = (
  url: string,
  init: Omit<SendInit, 'signal'> & { readonly redirect: 'error'; readonly signal: AbortSignal | null },
) => Promise<Answer>;

export type Connection = {
  /** Where the daemon is: `http://127.0.0.1:4000`. */
  readonly url: string;
  /** Absent in a page of the daemon's own: there the browser's cookie is sent. */
  readonly token?: string;
  readonly fetch?: Fetch;
};

export function openSend({ url, token, fetch: given }: Connection): Send {
  const base = url.replace(/\/+$/, '');
  return async (path, { signal, ...init } = {}) => {
    const headers = { ...init.headers, ...(token !== undefined && { Authorization: `Bearer ${token}` }) };
    const response = await orLost(signal, `no daemon answers at ${base}`, () =>
      (given ?? fetch)(`${base}${path}`, { ...init, headers, redirect: 'error', signal: signal ?? null }),
    );
    if (response.ok) return response;
    throw problemError(response.status, await orLost(signal, 'the answer was cut off', () => response.text()));
  };
}

/** What `read` gives; its failure is that of the connection. @throws AppError daemon_unreachable, cancelled, timeout */
export async function orLost<T>(signal: AbortSignal | undefined, what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw lostError(signal, what, error);
  }
}

export function lostError(signal: AbortSignal | undefined, what: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (signal?.aborted) {
    const isTimeout = signal.reason instanceof Error && signal.reason.name === 'TimeoutError';
    return new AppError(isTimeout ? 'timeout' : 'cancelled', 'the call was given up', { cause: error });
  }
  return new AppError('daemon_unreachable', `${what}: ${reasonOf(error)}`, { cause: error });
}

/** What the system said: fetch itself says only that it failed. */
function reasonOf(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  return cause instanceof Error && cause.message !== '' ? cause.message : message;
}

function problemError(status: number, text: string): AppError {
  const problem = Problem.safeParse(jsonOf(text));
  if (!problem.success) return new AppError('internal', `what answers is not a Gantry daemon: HTTP ${status}`);
  const { code, detail, issues, details } = problem.data;
  const known = Object.hasOwn(ERRORS, code);
  const given = { ...details, ...(issues && { issues }) };
  return new AppError(known ? (code as ErrorCode) : 'internal', known ? detail : `${code}: ${detail}`, {
    ...(Object.keys(given).length > 0 && { details: given }),
  });
}

/** Undefined for what is not JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
