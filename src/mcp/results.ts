import type { CallToolResult } from '@modelcontextprotocol/server';
import { redact } from '../base/redact.ts';
import { type AppError, ERRORS, type ErrorCode, toAppError } from '../contract/errors.ts';

type Told = { readonly code: string; readonly status: number; readonly retryable: boolean };

const told = (code: string, status: number, retryable = false): Told => ({ code, status, retryable });
const UNAVAILABLE = told('UNAVAILABLE', 503, true);
const ARGUMENT = told('INVALID_ARGUMENT', 400);

/** Gantry's codes in the words of the task server. What is not here goes by its HTTP status. */
const CODES: Readonly<Partial<Record<ErrorCode, Told>>> = {
  not_found: told('NOT_FOUND', 404),
  illegal_move: told('ILLEGAL_STATE', 409),
  conflict: told('ILLEGAL_STATE', 409),
  already_answered: told('ILLEGAL_STATE', 409),
  queue_full: told('QUEUE_FULL', 429, true),
  idempotency_mismatch: told('IDEMPOTENCY_CONFLICT', 409),
  too_large: told('FILE_TOO_LARGE', 413),
  path_refused: told('PATH_REFUSED', 403),
  unauthorized: told('FORBIDDEN', 403),
  forbidden: told('FORBIDDEN', 403),
  policy_denied: told('FORBIDDEN', 403),
  unsupported: told('UNAVAILABLE', 503),
  backend_missing: told('UNAVAILABLE', 503),
  isolation_missing: told('UNAVAILABLE', 503),
  backend_version: told('UNAVAILABLE', 503),
  overloaded: UNAVAILABLE,
  daemon_unreachable: UNAVAILABLE,
  store_locked: UNAVAILABLE,
  disk_full: UNAVAILABLE,
  timeout: UNAVAILABLE,
};

const RETRY_AFTER_MS = 5_000;

function tellingOf({ code, details }: AppError): Told {
  if (code === 'not_found' && details?.task !== undefined) return told('TASK_NOT_FOUND', 404);
  if (code === 'not_found' && details?.file !== undefined) return told('FILE_NOT_FOUND', 404);
  const known = CODES[code];
  if (known) return known;
  return ERRORS[code].status < 500 ? ARGUMENT : told('INTERNAL', 500);
}

/** What a tool answers with: the same value as text and as data. */
export function success(value: object, isCompact = false): CallToolResult {
  const text = isCompact ? JSON.stringify(value) : JSON.stringify(value, null, 2);
  // By way of JSON: what is undefined is absent in both.
  return { content: [{ type: 'text', text }], structuredContent: JSON.parse(text) as Record<string, unknown> };
}

/** Every failure of a tool is a result: models read it, and can do better. */
export function failure(thrown: unknown): CallToolResult {
  const error = toAppError(thrown);
  const { code, status, retryable } = tellingOf(error);
  const { issues: _, task: __, file: ___, ...details } = error.details ?? {};
  const extra = error.code === 'queue_full' ? { retry_after_ms: RETRY_AFTER_MS } : {};
  return refusal({ error: redact(error.message), code, status, retryable, ...extra, ...details });
}

export const refusal = (body: Readonly<Record<string, unknown>> & { readonly error: string }): CallToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(body, null, 2) }],
  isError: true,
});
