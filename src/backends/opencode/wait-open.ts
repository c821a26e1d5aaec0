import { deferred, within } from '../../base/wait.ts';
import { AppError } from '../../contract/errors.ts';

export type OpenLimit = { readonly limitMs: number; readonly signal: AbortSignal };

/**
 * What `work` gives, within the limit and unless it is cancelled; the work itself goes on.
 * @throws AppError `timeout`, saying that `what` was waited for; `cancelled`
 */
export async function waitOpen<T>(work: Promise<T>, { limitMs, signal }: OpenLimit, what: string): Promise<T> {
  const stop = deferred<never>();
  const onAbort = (): void => stop.reject(new AppError('cancelled', 'the opening was cancelled'));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  work.catch(() => undefined);
  try {
    return await within(Promise.race([work, stop.promise]), limitMs, () => {
      return new AppError('timeout', `${what} was not ready after ${limitMs} ms`);
    });
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
