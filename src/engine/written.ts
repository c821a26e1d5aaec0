import type { Clock } from '../base/clock.ts';
import { deferred, firstOf } from '../base/wait.ts';
import { type ErrorCode, toAppError } from '../contract/errors.ts';
import type { Parts } from './parts.ts';

/** After what could not be written down. */
const AGAIN_MS = 5_000;
/** The store takes it later. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['disk_full', 'store_locked']);

export const isPassing = (error: unknown): boolean => PASSING.has(toAppError(error).code);

/** @returns whether it was left before the time to try again */
export async function leftMeanwhile({ after }: Clock, left: Promise<'left'>): Promise<boolean> {
  const elapsed = deferred<'elapsed'>();
  const cancel = after(AGAIN_MS, () => elapsed.resolve('elapsed'));
  const first = await firstOf<'elapsed' | 'left'>([elapsed.promise, left]);
  cancel();
  return first === 'left';
}

/**
 * Writes something down, however long the store refuses it, as on a full disk: what nobody else would write.
 * @param signal it is left to the next daemon
 * @throws what `write` throws: what no time mends, or anything once it is left
 */
export async function written({ clock, log }: Parts, write: () => void, signal?: AbortSignal): Promise<void> {
  const left = deferred<'left'>();
  const onAbort = (): void => left.resolve('left');
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    for (;;) {
      try {
        return write();
      } catch (error) {
        if (!isPassing(error) || signal?.aborted) throw error;
        log.error({ err: error }, 'it could not be written down and is tried again');
        if (await leftMeanwhile(clock, left.promise)) throw error;
      }
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
