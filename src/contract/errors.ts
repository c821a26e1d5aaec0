/**
 * Every public error: the HTTP status and the CLI's exit code come with the code.
 * Codes are public: add, never rename.
 */
export const ERRORS = {
  bad_request: { status: 400, exit: 2, title: 'The input is not valid' },
  bad_config: { status: 400, exit: 2, title: 'The configuration is not valid' },
  usage: { status: 400, exit: 2, title: 'The command was used wrongly' },
  unauthorized: { status: 401, exit: 4, title: 'A valid token is needed' },
  forbidden: { status: 403, exit: 3, title: 'The token may not do this' },
  foreign_origin: { status: 403, exit: 3, title: 'The Host or Origin is not one that this daemon serves' },
  not_found: { status: 404, exit: 7, title: 'There is no such thing' },
  method_not_allowed: { status: 405, exit: 2, title: 'The path does not take this method' },
  conflict: { status: 409, exit: 1, title: 'The thing is not in a state that allows this' },
  illegal_move: { status: 409, exit: 1, title: 'The state does not allow this move' },
  stale: { status: 409, exit: 1, title: 'A newer attempt has taken over' },
  already_answered: { status: 409, exit: 1, title: 'The question has been answered' },
  idempotency_mismatch: { status: 409, exit: 2, title: 'The idempotency key was used with another input' },
  gone: { status: 410, exit: 7, title: 'The position is older than what is kept' },
  too_large: { status: 413, exit: 2, title: 'The input is too large' },
  unsupported_media_type: { status: 415, exit: 2, title: 'The body is not of a type that is read here' },
  upgrade_required: { status: 426, exit: 2, title: 'The path is a stream' },
  queue_full: { status: 429, exit: 1, title: 'The queue is full' },
  path_refused: { status: 403, exit: 3, title: 'The path is not one that may be read' },
  overloaded: { status: 503, exit: 1, title: 'The daemon is at its limit' },
  project_not_directory: { status: 422, exit: 2, title: 'The project is not a directory' },
  project_not_git: { status: 422, exit: 2, title: 'The project is not a git repository' },
  project_no_commit: { status: 422, exit: 2, title: 'The project has no commit yet' },
  project_dirty: { status: 422, exit: 2, title: 'The project has uncommitted changes' },
  git_missing: { status: 422, exit: 2, title: 'git was not found' },
  git_failed: { status: 500, exit: 1, title: 'git refused' },
  backend_unknown: { status: 422, exit: 2, title: 'There is no such backend' },
  backend_missing: { status: 422, exit: 2, title: 'The agent program was not found' },
  backend_version: { status: 422, exit: 2, title: 'The agent program has a version that is not supported' },
  backend_failed: { status: 502, exit: 1, title: 'The agent program failed' },
  backend_refused: { status: 502, exit: 1, title: 'The agent program refused the prompt' },
  unsupported: { status: 422, exit: 2, title: 'The backend cannot do this' },
  isolation_missing: { status: 422, exit: 2, title: 'The isolation cannot be had on this machine' },
  spawn_failed: { status: 500, exit: 1, title: 'The program could not be started' },
  model_failed: { status: 502, exit: 1, title: 'The model did not answer as needed' },
  policy_denied: { status: 403, exit: 3, title: 'The policy denies this' },
  disk_full: { status: 507, exit: 1, title: 'The disk is full' },
  store_locked: { status: 503, exit: 1, title: 'The database is locked by another program' },
  store_corrupt: { status: 500, exit: 1, title: 'The database cannot be read' },
  store_newer: { status: 500, exit: 2, title: 'The database was written by a newer Gantry' },
  daemon_unreachable: { status: 503, exit: 4, title: 'The daemon does not answer' },
  daemon_running: { status: 409, exit: 2, title: 'Another daemon holds this home' },
  port_in_use: { status: 409, exit: 2, title: 'The port is taken' },
  cancelled: { status: 409, exit: 5, title: 'It was cancelled' },
  timeout: { status: 504, exit: 6, title: 'It took longer than allowed' },
  internal: { status: 500, exit: 1, title: 'Gantry failed' },
} as const satisfies Record<string, { status: number; exit: number; title: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** The only error that crosses folders. `details` is shown to the caller: no secrets in it. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.details = options.details;
  }
}

/** Any thrown thing as an AppError; a file system that is full is told, what Gantry did not foresee becomes `internal`. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const cause = thrown instanceof Error && 'code' in thrown ? thrown.code : null;
  const isFull = cause === 'ENOSPC' || cause === 'EDQUOT';
  return new AppError(isFull ? 'disk_full' : 'internal', message, { cause: thrown });
}
