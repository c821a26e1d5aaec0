import { AppError, type ErrorCode, toAppError } from '../../contract/errors.ts';
import type { Failure, FailureClass } from '../../contract/failure.ts';

/** An attempt ended without success, for a reason that the engine knows how to treat. */
export class AttemptFailure extends AppError {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super('backend_failed', failure.message);
    this.failure = failure;
  }
}

const CLASS_OF: Partial<Readonly<Record<ErrorCode, FailureClass>>> = {
  backend_unknown: 'start',
  backend_missing: 'start',
  backend_version: 'start',
  isolation_missing: 'start',
  spawn_failed: 'start',
  timeout: 'start',
  unsupported: 'start',
  backend_failed: 'crash',
  backend_refused: 'protocol',
  git_failed: 'start',
  git_missing: 'start',
  project_not_directory: 'start',
  project_not_git: 'start',
  policy_denied: 'denied',
};

/** What a thrown error means for an attempt. */
export function failureOf(error: unknown): Failure {
  if (error instanceof AttemptFailure) return error.failure;
  const { code, message } = toAppError(error);
  return { class: CLASS_OF[code] ?? 'internal', message: message || code, resetAt: null };
}

/** Another try without a change from outside would end the same. */
export function isHopeless(error: unknown): boolean {
  const { code } = toAppError(error);
  return (
    code === 'backend_unknown' ||
    code === 'backend_missing' ||
    code === 'backend_version' ||
    code === 'isolation_missing' ||
    code === 'policy_denied' ||
    code.startsWith('project_') ||
    code === 'git_missing'
  );
}

const DOWN: ReadonlySet<ErrorCode> = new Set([
  'backend_missing',
  'backend_version',
  'backend_failed',
  'spawn_failed',
  'timeout',
]);

/** Whether a session that could not be opened says that its agent program cannot be used at all. */
export const isBackendDown = (error: unknown): boolean => DOWN.has(toAppError(error).code);

/** Why a turn that is over was no success; null if it was. */
export function turnFailure(turn: { readonly outcome: string; readonly failure: Failure | null }): Failure | null {
  if (turn.outcome === 'done') return null;
  if (turn.failure) return turn.failure;
  if (turn.outcome === 'rejected')
    return { class: 'denied', message: 'the agent stopped because something it asked for was denied', resetAt: null };
  if (turn.outcome === 'length')
    return { class: 'model', message: 'the answer was cut off by the model’s length limit', resetAt: null };
  return { class: 'model', message: `the turn ended: ${turn.outcome}`, resetAt: null };
}
