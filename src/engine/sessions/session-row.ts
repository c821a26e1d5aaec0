import { newId } from '../../base/ids.ts';
import { AppError } from '../../contract/errors.ts';
import type { FactSubject } from '../../contract/fact.ts';
import type { SessionId } from '../../contract/ids.ts';
import { isSessionOver, type Session } from '../../contract/session.ts';
import { NO_USAGE } from '../../contract/usage.ts';
import type { Reader, Transaction } from '../../store/store.ts';
import type { Parts } from '../parts.ts';

/** The row of a session that is not opened yet: it is written down before anything is started. */
export function freshSession(
  parts: Parts,
  given: Pick<Session, 'backend' | 'nativeId' | 'purpose' | 'attemptId' | 'agent' | 'directory' | 'model'>,
): Session {
  const now = parts.clock.now();
  return {
    ...given,
    id: newId('sess', now),
    host: parts.backends.get(given.backend)?.place?.node ?? parts.host.id,
    state: 'starting',
    activity: 'unknown',
    cause: null,
    failure: null,
    usage: NO_USAGE,
    lastEventAt: now,
    createdAt: now,
    updatedAt: now,
    endedAt: null,
  };
}

/** The row in state `starting` again, whatever a crash left. @throws AppError `conflict` if it is over */
export function reopened(
  parts: Parts,
  id: Session['id'],
  subject: Partial<FactSubject>,
  patch: Pick<Partial<Session>, 'nativeId'> = {},
): Session {
  const row = parts.store.read.sessions.need(id);
  if (row.state === 'starting') return row;
  if (isSessionOver(row.state)) throw new AppError('conflict', `session ${id} is over (${row.state})`);
  return parts.store.commit((tx) =>
    tx.sessions.move(
      id,
      row.state,
      'starting',
      { failure: null, ...patch },
      { actor: 'gantry', cause: 'brought back', subject },
    ),
  );
}

/** Of a session: the native id of the conversation that was told what it is for. Removed by retention, as `turn:`. */
const toldKey = (sessionId: Session['id']): string => `told:${sessionId}`;

export const markTold = (tx: Transaction, sessionId: Session['id'], nativeId: string | null): void =>
  tx.meta.set(toldKey(sessionId), nativeId ?? '');

/** Whether this conversation was told: a kill may come between its making and its first prompt. */
export const isTold = (read: Pick<Reader, 'meta'>, sessionId: Session['id'], nativeId: string): boolean =>
  read.meta.get(toldKey(sessionId)) === nativeId;

/** One that no program has open, as after an emergency stop or in a pause: it no longer counts as one that goes on. */
export function endSession({ store, clock }: Pick<Parts, 'store' | 'clock'>, id: SessionId, cause: string): void {
  const { state } = store.read.sessions.need(id);
  if (isSessionOver(state)) return;
  const meta = { actor: 'gantry', cause };
  store.commit((tx) => tx.sessions.move(id, state, 'stopped', { cause, endedAt: clock.now() }, meta));
}
