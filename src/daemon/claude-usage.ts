import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Scope } from '../base/scope.ts';
import type { Events } from '../engine/observations/events.ts';
import type { History } from '../history/history.ts';
import type { Store } from '../store/store.ts';

/** Claude Code writes the last lines of a turn down some 0.4 s after it has told of its end. */
const WAIT_MS = 1_000;
/** Sessions that wait to be read; of more at once, the next end of their turns will do. */
const MAX_WAITING = 1_000;

/**
 * Keeps what sessions of a person's own Claude Code use: when hooks tell that a turn is over, their transcript is read and
 * takes the place of what was known. So nothing is counted twice, and the sums stay when the events are removed.
 */
export function keepClaudeUsage({
  store,
  history,
  events,
  clock,
  log,
  scope,
}: {
  readonly store: Store;
  readonly history: Pick<History, 'claudeUsage'>;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Log;
  readonly scope: Scope;
}): void {
  const waiting = new Map<string, string>();
  let cancel: (() => void) | null = null;
  let reading: Promise<void> = Promise.resolve();
  const readOne = async (session: string, source: string): Promise<void> => {
    // What Gantry's own sessions use is in their rows.
    if (scope.isClosed || store.read.sessions.list({ nativeId: session, limit: 1 }).length > 0) return;
    const days = await history.claudeUsage(session);
    if (days.length > 0 && !scope.isClosed) store.commit((tx) => tx.setOutsideUsage({ source, session }, days));
  };
  const readAll = async (): Promise<void> => {
    for (const [session, source] of waiting) {
      waiting.delete(session);
      await readOne(session, source).catch((error: unknown) =>
        log.error({ err: error, session }, 'a transcript of Claude Code could not be read'),
      );
    }
  };
  const stop = events.onTurnEnd(({ source, session }) => {
    if (waiting.size >= MAX_WAITING) return;
    waiting.set(session, source);
    cancel ??= clock.after(WAIT_MS, () => {
      cancel = null;
      reading = reading.then(readAll);
    });
  });
  scope.defer(async () => {
    stop();
    cancel?.();
    waiting.clear();
    await reading;
  });
}
