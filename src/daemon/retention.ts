import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Store } from '../store/store.ts';
import type { DaemonSettings } from './settings.ts';

const EVERY_MS = 60_000;
/** Of the event loop, per round. */
const BUDGET_MS = 50;

/** Removes old facts once a minute. @returns what stops it */
export function keepTidy(
  store: Store,
  retention: () => DaemonSettings['retention'],
  clock: Clock,
  log: Log,
): () => void {
  let cancel: (() => void) | null = null;
  const wait = (): void => {
    cancel = clock.after(EVERY_MS, () => {
      const { stream, observation, state, maxBytes } = retention();
      store
        .prune({ streamMs: stream, observationMs: observation, stateMs: state, maxBytes }, BUDGET_MS)
        .catch((error: unknown) => log.error({ err: error }, 'old facts could not be removed'))
        .finally(() => cancel && wait());
    });
  };
  wait();
  return () => {
    cancel?.();
    cancel = null;
  };
}
