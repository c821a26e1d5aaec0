import type { Failure, FailureClass } from '../../contract/failure.ts';

/** What follows the end of an attempt that did not succeed. */
export type Next =
  /** Again at `at`; `isCounted` false: the attempt does not count against the cap (a quota, a limit of the provider). */
  | { readonly type: 'again'; readonly at: number; readonly isCounted: boolean; readonly cause: string }
  /** The cap is reached: a person decides. */
  | { readonly type: 'person'; readonly cause: string }
  | { readonly type: 'fail'; readonly cause: string };

/** Another try cannot help, or would hide what a person must see. */
const FINAL: ReadonlySet<FailureClass> = new Set(['auth', 'timeout', 'budget', 'denied', 'conflict', 'dependency']);

const LONGEST_BACKOFF_MS = 300_000;

/**
 * Decides on the class, never on the text.
 * @param attempts made since the last time a person asked for a retry, this one included
 * @param jitter in [0, 1): spreads retries of many tasks; handed in so that the decision stays pure
 */
export function afterFailure(
  failure: Failure,
  attempts: number,
  limits: { readonly maxAttempts: number; readonly retryBackoff: number },
  now: number,
  jitter: number,
): Next {
  if ((failure.class === 'quota' || failure.class === 'rate') && failure.resetAt !== null) {
    const at = Math.max(failure.resetAt, now);
    return {
      type: 'again',
      at,
      isCounted: false,
      cause: `waits for the ${failure.class} limit to reset: ${failure.message}`,
    };
  }
  if (FINAL.has(failure.class)) return { type: 'fail', cause: `${failure.class}: ${failure.message}` };
  if (attempts >= limits.maxAttempts) {
    const cause = `${failure.class}: ${failure.message}`;
    return limits.maxAttempts === 1
      ? { type: 'fail', cause }
      : { type: 'person', cause: `${attempts} attempts failed, the last with ${cause}` };
  }
  const backoff = Math.min(limits.retryBackoff * 2 ** (attempts - 1), LONGEST_BACKOFF_MS);
  return {
    type: 'again',
    at: now + Math.round(backoff * (1 + jitter / 4)),
    isCounted: true,
    cause: `attempt ${attempts} of ${limits.maxAttempts} failed (${failure.class}: ${failure.message})`,
  };
}
