import type { BackendSession, OpenSpec } from '../../backends/backend.ts';
import { type AppError, toAppError } from '../../contract/errors.ts';
import type { FactSubject } from '../../contract/fact.ts';
import type { Session } from '../../contract/session.ts';
import type { Approvals } from '../approvals/approvals.ts';
import { freezable } from '../attempts/standstill.ts';
import type { Parts } from '../parts.ts';
import { LiveSession } from './session.ts';

const GRACE_MS = 5_000;

/**
 * Opens a session for a row that is in the ledger already (state `starting`): no start is unknown after a crash.
 * @throws AppError of the backend; the row then tells the cause, as `failed`, or `lost` where there is a conversation to go
 * on with
 */
export async function openSession(
  parts: Parts,
  approvals: Approvals,
  row: Session,
  spec: Omit<OpenSpec, 'sessionId'>,
  subject: Partial<FactSubject>,
): Promise<LiveSession> {
  const backend = parts.backends.get(row.backend);
  if (!backend) throw new Error(`backend ${row.backend} was checked when the session was made`);
  let opened: BackendSession;
  const { isolated } = spec;
  const { host, freezer } = isolated ? freezable(isolated.host) : { host: null, freezer: null };
  try {
    const place = isolated && host ? { isolated: { ...isolated, host } } : {};
    opened = await backend.open({ ...spec, ...place, sessionId: row.id });
  } catch (error) {
    failOpening(parts, row, toAppError(error));
    throw error;
  }
  const origin = originOf(opened, row);
  try {
    began(parts, row, opened.nativeId, { cause: causeOf(origin), subject });
  } catch (error) {
    // Nobody else knows of its program.
    await opened.close(GRACE_MS);
    throw error;
  }
  const settings = parts.settingsFor(spec.project.path);
  const live = new LiveSession(parts, approvals, opened, { row, origin, subject, settings, freezer });
  approvals.attach(live);
  return live;
}

function began(
  { store, clock }: Parts,
  { id }: Session,
  nativeId: string,
  why: { readonly cause: string; readonly subject: Partial<FactSubject> },
): void {
  const patch = { nativeId, activity: 'idle', lastEventAt: clock.now() } as const;
  store.commit((tx) => tx.sessions.move(id, 'starting', 'running', patch, { actor: 'gantry', ...why }));
}

/** Made anew though there was a conversation: whoever opened it knew that the backend cannot resume one. */
const originOf = ({ origin }: BackendSession, { backend, nativeId }: Session): BackendSession['origin'] =>
  origin.type === 'new' && nativeId !== null
    ? { type: 'new-instead', reason: `the backend ${backend} cannot resume a conversation` }
    : origin;

const causeOf = (origin: BackendSession['origin']): string =>
  origin.type === 'new-instead' ? `new session: ${origin.reason}` : `${origin.type} session`;

/** A conversation that exists may be brought back by a later try; one that never came to be is over. */
function failOpening(parts: Parts, { id, nativeId }: Session, { code, message }: AppError): void {
  const failure = { class: 'start', message, resetAt: null } as const;
  const meta = { actor: 'gantry', cause: message };
  parts.store.commit((tx) => {
    // Nobody wants it now: nothing is lost.
    if (nativeId !== null && code === 'cancelled') tx.sessions.move(id, 'starting', 'paused', { cause: message }, meta);
    else if (nativeId !== null) tx.sessions.move(id, 'starting', 'lost', { failure, cause: message }, meta);
    else tx.sessions.move(id, 'starting', 'failed', { failure, cause: message, endedAt: parts.clock.now() }, meta);
  });
}
