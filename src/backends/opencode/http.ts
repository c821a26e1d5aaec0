import { pause } from '../../base/wait.ts';

/** A command that the server did not carry out. */
export class HttpFailure extends Error {
  /** Null: no answer came (connection, time limit). */
  readonly status: number | null;
  /** The error's `name` or `_tag`, as the server told it. */
  readonly kind: string | null;

  constructor(message: string, status: number | null, kind: string | null, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'HttpFailure';
    this.status = status;
    this.kind = kind;
  }

  /** The connection broke: whether the server has carried the command out is not known. */
  get isLost(): boolean {
    return this.status === null && this.kind === null;
  }
}

export type HttpRequest = {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly limitMs?: number;
};

export type HttpAnswer = { readonly body: unknown; readonly headers: Headers };

/** One server: address and password. */
export type Http = {
  readonly url: string;
  readonly password: string | null;
  /** @throws HttpFailure for every status but 2xx, for no answer, and for an answer over the bound. */
  readonly send: (request: HttpRequest) => Promise<HttpAnswer>;
  /** The body of a stream that is open; it ends with `signal`. @throws HttpFailure */
  readonly open: (path: string, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;
};

/** Longest that a command may take unless it says otherwise. */
const LIMIT_MS = 30_000;
const MAX_TRIES = 4;
const TRY_PAUSE_MS = 100;
/** Largest answer that is read; a session's newest message can hold a large tool output. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export function connectHttp(url: string, password: string | null): Http {
  const base = url.replace(/\/+$/, '');
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (password !== null) headers.authorization = `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`;

  const request = async (path: string, init: RequestInit): Promise<Response> => {
    try {
      return await fetch(`${base}${path}`, { ...init, headers });
    } catch (error) {
      throw unanswered(path, error);
    }
  };
  const send: Http['send'] = async ({ method = 'GET', path, query = {}, body, limitMs = LIMIT_MS }) => {
    const pairs = Object.entries(query).flatMap(([k, v]) => (v === undefined ? [] : [[k, v] as [string, string]]));
    const search = pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
    const response = await request(`${path}${search}`, {
      method,
      signal: AbortSignal.timeout(limitMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = parsed(await bodyOf(response, path));
    if (!response.ok) throw refused(path, response.status, answer);
    return { body: answer, headers: response.headers };
  };
  return {
    url: base,
    password,
    send: async (asked) => (asked.method === undefined ? await again(() => send(asked)) : await send(asked)),
    open: async (path, signal) => {
      const response = await request(path, { signal });
      if (!response.ok || response.body === null) throw refused(path, response.status, null);
      return response.body;
    },
  };
}

/** Reading changes nothing: a connection that broke is tried again. @throws HttpFailure */
export async function again<T>(read: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof HttpFailure) || !error.isLost || tries >= MAX_TRIES) throw error;
    }
    await pause(TRY_PAUSE_MS * tries);
  }
}

async function bodyOf(response: Response, path: string): Promise<string> {
  if (response.body === null) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body) {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES)
        throw new HttpFailure(`${path}: the answer is larger than 64 MiB`, null, 'too_large');
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof HttpFailure ? error : unanswered(path, error);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

function unanswered(path: string, cause: unknown): HttpFailure {
  const isLate = cause instanceof DOMException && cause.name === 'TimeoutError';
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
  return new HttpFailure(`${path}: ${isLate ? 'no answer in time' : inner}`, null, isLate ? 'timeout' : null, cause);
}

/** Errors have two shapes: `{name, data: {message}}` and `{_tag, message}` (OpenCode 1.18.33). */
function refused(path: string, status: number, body: unknown): HttpFailure {
  const field = (from: unknown, key: string): unknown =>
    typeof from === 'object' && from !== null ? (from as Record<string, unknown>)[key] : undefined;
  const kind = field(body, 'name') ?? field(body, '_tag');
  const words = field(field(body, 'data'), 'message') ?? field(body, 'message') ?? '';
  const message = `${path}: status ${status}${words === '' ? '' : `: ${String(words).slice(0, 500)}`}`;
  return new HttpFailure(message, status, typeof kind === 'string' ? kind : null);
}
