import type { Failure, FailureClass } from '../../../contract/failure.ts';
import type { NativeError } from '../dialect.ts';
import type { WireError } from './wire.ts';

const CLASS_OF_NAME: Readonly<Record<string, FailureClass>> = {
  ProviderAuthError: 'auth',
  ContextOverflowError: 'context-full',
  MessageOutputLengthError: 'model',
  ContentFilterError: 'model',
  StructuredOutputError: 'model',
  UnknownError: 'model',
};

const CLASS_OF_STATUS: Readonly<Record<number, FailureClass>> = {
  401: 'auth',
  402: 'quota',
  403: 'auth',
  408: 'network',
  413: 'context-full',
  429: 'rate',
};

/** Codes of providers that answer 429 for an account without money (platform.openai.com and docs.anthropic.com, errors). */
const QUOTA_CODES: ReadonlySet<unknown> = new Set([
  'insufficient_quota',
  'billing_error',
  'billing_hard_limit_reached',
]);

/** An error of OpenCode 1.x by name, status and code; its words are kept for people. */
export function errorOf(error: WireError): NativeError {
  if (error.name === 'MessageAbortedError') return { type: 'aborted' };
  return { type: 'failed', failure: failureOf(error) };
}

function failureOf({ name, data }: WireError): Failure {
  const message = data.message || name;
  if (name !== 'APIError') return { class: CLASS_OF_NAME[name] ?? 'protocol', message, resetAt: null };
  const { statusCode } = data;
  if (statusCode === undefined) return { class: 'network', message, resetAt: null };
  const isQuota = statusCode === 429 && QUOTA_CODES.has(codeOf(data.responseBody));
  const kind = isQuota ? 'quota' : (CLASS_OF_STATUS[statusCode] ?? 'model');
  const resetAt = statusCode === 429 ? resetOf(data.responseHeaders ?? {}) : null;
  return { class: kind, message: `${message} (status ${statusCode})`, resetAt };
}

function codeOf(body: string | undefined): unknown {
  try {
    const { error } = JSON.parse(body ?? 'null') ?? {};
    return error?.code ?? error?.type;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * When a limit ends, in ms: `retry-after` (seconds or a date, counted from the answer's own `date`), else the resets that
 * Anthropic (RFC 3339, or seconds since the epoch) and OpenRouter (ms or seconds since the epoch) send.
 */
function resetOf(headers: Readonly<Record<string, string>>): number | null {
  const after = headers['retry-after'];
  const answeredAt = Date.parse(headers.date ?? '');
  if (after !== undefined && /^\d+(\.\d+)?$/.test(after)) {
    return Number.isNaN(answeredAt) ? null : answeredAt + Number(after) * 1000;
  }
  const names = ['anthropic-ratelimit-unified-reset', 'anthropic-ratelimit-requests-reset', 'x-ratelimit-reset'];
  for (const value of [after, ...names.map((name) => headers[name])]) {
    const at = value === undefined ? Number.NaN : instantOf(value);
    if (!Number.isNaN(at)) return at;
  }
  return null;
}

/** Seconds since the epoch stay below this until the year 5138. */
const SMALLEST_MS = 100_000_000_000;

function instantOf(value: string): number {
  const number = Number(value);
  if (Number.isNaN(number)) return Date.parse(value);
  return number < SMALLEST_MS ? number * 1000 : number;
}
