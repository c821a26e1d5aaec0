import { z } from 'zod';
import { redact } from '../base/redact.ts';

/**
 * Why a model gave no usable answer. `unreachable`: no connection, or the server failed (5xx); `quota`: money or credit;
 * `rate`: too many requests; `model`: everything else that the server refused or answered wrongly.
 */
export type ModelFailure = {
  readonly ok: false;
  readonly class: 'auth' | 'no_key' | 'quota' | 'rate' | 'timeout' | 'unreachable' | 'empty' | 'model';
  /** Redacted, at most 500 characters. */
  readonly message: string;
  readonly retryAfterMs?: number;
};

/** What the `ai` SDK's APICallError says (ai 7.0); a connection that failed has no status, or a good one and `isRetryable`. */
export type ApiCallError = Error & {
  readonly statusCode?: number | undefined;
  readonly responseHeaders?: Readonly<Record<string, string>> | undefined;
  readonly responseBody?: string | undefined;
  readonly isRetryable: boolean;
};

/** The fields that decide in the error bodies of OpenAI, OpenRouter, Anthropic and Google. */
const bodySchema = z.object({
  error: z.object({
    type: z.string().nullish().catch(null),
    code: z.union([z.string(), z.number()]).nullish().catch(null),
    details: z
      .array(z.object({ reason: z.string().optional().catch(undefined) }).catch({}))
      .nullish()
      .catch(null),
  }),
});
/** A shorter text is no secret, and masking it would garble the message. */
const SHORTEST_SECRET = 8;
const QUOTA_TYPES = ['insufficient_quota', 'billing_error', 'billing_not_active', 'billing_hard_limit_reached'];
const KEY_TYPES = ['authentication_error', 'invalid_api_key', 'API_KEY_INVALID'];
const TIMEOUT_CODES = ['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'];

/** A failure with its secrets masked: by form, and every one of `secrets` literally. */
export function failure(
  kind: ModelFailure['class'],
  message: string,
  secrets: readonly string[],
  retryAfterMs?: number,
): ModelFailure {
  const masked = secrets
    .filter((secret) => secret.length >= SHORTEST_SECRET)
    .reduce((text, secret) => text.replaceAll(secret, '[redacted]'), message);
  const retry = retryAfterMs === undefined ? {} : { retryAfterMs };
  return { ok: false, class: kind, message: redact(masked).slice(0, 500), ...retry };
}

/** Classifies by status, the error's type or code in the body, and the socket's error code; never by a message's text. */
export function classify(error: ApiCallError, nowMs: number): Pick<ModelFailure, 'class' | 'retryAfterMs'> {
  const retryAfterMs = retryAfter(error.responseHeaders ?? {}, nowMs);
  return { class: classOf(error), ...(retryAfterMs === null ? {} : { retryAfterMs }) };
}

function classOf(error: ApiCallError): ModelFailure['class'] {
  const { words, status: saidStatus } = saidBy(error.responseBody);
  const isOneOf = (types: readonly string[]): boolean => words.some((word) => types.includes(word));
  const { statusCode = 200 } = error;
  // OpenRouter answers 200 when the failure is only known after the headers; the body's code is the status then.
  const status = statusCode < 300 ? saidStatus : statusCode;
  if (status === 402 || isOneOf(QUOTA_TYPES)) return 'quota';
  if (status === 401 || status === 403 || isOneOf(KEY_TYPES)) return 'auth';
  if (status === 429) return 'rate';
  if (status === 408 || status === 504 || TIMEOUT_CODES.includes(socketCode(error))) return 'timeout';
  const isUnreachable = status === null ? error.isRetryable : status >= 500;
  return isUnreachable ? 'unreachable' : 'model';
}

/** The words that name the error in the body, and the status that the body names. */
function saidBy(responseBody: string | undefined): { words: string[]; status: number | null } {
  const { type, code, details } = bodyOf(responseBody)?.error ?? {};
  const words = [type, code, ...(details ?? []).map((detail) => detail.reason)];
  return {
    words: words.filter((word) => typeof word === 'string'),
    status: typeof code === 'number' ? code : null,
  };
}

function bodyOf(responseBody = 'null'): z.output<typeof bodySchema> | undefined {
  try {
    return bodySchema.safeParse(JSON.parse(responseBody)).data;
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

function socketCode(error: Error): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if ('code' in at && typeof at.code === 'string') return at.code;
  }
  return '';
}

/** Seconds or a date (RFC 9110 10.2.3), or OpenAI's `retry-after-ms`. */
function retryAfter(headers: Readonly<Record<string, string>>, nowMs: number): number | null {
  const ms = Number.parseFloat(headers['retry-after-ms'] ?? '');
  if (Number.isFinite(ms)) return Math.max(0, ms);
  const text = headers['retry-after'];
  if (text === undefined) return null;
  const found = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isFinite(found) ? Math.max(0, found) : null;
}
