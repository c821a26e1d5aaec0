import { LIVE_ATTEMPT_STATES } from '../contract/attempt.ts';
import type { RequestId } from '../contract/ids.ts';
import type { Reader } from '../store/store.ts';
import type { Parts } from './parts.ts';
import { stopFor } from './stops.ts';

/** A shorter one is not worth a fact. */
const MIN_MS = 1_000;

/**
 * While no daemon ran nobody worked and nobody could answer: that time does not count against the limits of attempts and of
 * their questions. It began with the newest fact, as far as is known. Call it before anything waits for a limit.
 */
export function grantDowntime({ store, clock }: Pick<Parts, 'store' | 'clock'>): void {
  const [newest] = store.journal.recent(1);
  const downMs = newest === undefined ? 0 : clock.now() - newest.at;
  if (downMs < MIN_MS) return;
  const meta = { actor: 'gantry', cause: `no daemon ran for ${Math.round(downMs / 1_000)} s` };
  store.commit((tx) => {
    for (const { id, requestId, deadlineAt, leaseUntil } of tx.attempts.list({ state: LIVE_ATTEMPT_STATES })) {
      if (standsStill(tx, requestId)) continue;
      tx.attempts.update(id, { deadlineAt: deadlineAt + downMs, leaseUntil: leaseUntil + downMs }, meta);
    }
    for (const { id, requestId, expiresAt } of tx.approvals.list({ state: 'pending' })) {
      // What an outside program asks has the limit that the program set.
      if (requestId === null || standsStill(tx, requestId)) continue;
      tx.approvals.update(id, { expiresAt: expiresAt + downMs }, meta);
    }
  });
}

/** All of a pause or an emergency stop is given when it ends. */
function standsStill(read: Pick<Reader, 'meta' | 'requests'>, id: RequestId): boolean {
  const { state, projectId } = read.requests.need(id);
  return state === 'paused' || stopFor(read, projectId) !== null;
}
