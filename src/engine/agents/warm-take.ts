import { Standing } from '../../contract/agent.ts';
import type { AttemptId } from '../../contract/ids.ts';
import type { Project } from '../../contract/project.ts';
import type { Reader, Transaction } from '../../store/store.ts';
import type { AttemptLedger } from '../attempts/attempt-ledger.ts';
import type { Workspaces } from '../attempts/workspace.ts';
import type { Parts } from '../parts.ts';
import type { LiveSession } from '../sessions/session.ts';
import type { Settings } from '../settings.ts';

/** What an attempt took over of an agent that was kept ready, until it is its own. */
const key = (id: AttemptId): string => `taken:${id}`;

export const isTaken = (read: Pick<Reader, 'meta'>, id: AttemptId): boolean => read.meta.get(key(id)) !== null;

export const markTaken = (tx: Transaction, id: AttemptId, standing: Standing): void =>
  tx.meta.set(key(id), JSON.stringify(standing));

const GRACE_MS = 5_000;

/**
 * Makes workspace and session of an agent that was kept ready the attempt's own. Where they cannot be used, they go, and the
 * attempt begins as one for which nothing was ready: it is said in the journal. Safe to repeat after a kill.
 * @param live the session, if it is still open
 * @returns the session, if it serves the attempt
 */
export async function takeWarm(
  parts: Parts,
  workspaces: Workspaces,
  given: { readonly ledger: AttemptLedger; readonly project: Project; readonly settings: Settings },
  live: LiveSession | null,
  signal: AbortSignal,
): Promise<LiveSession | null> {
  const { ledger, project, settings } = given;
  const { attempt, task, subject } = ledger;
  const taken = parts.store.read.meta.get(key(attempt.id));
  if (taken === null) return live;
  const from = Standing.parse(JSON.parse(taken));
  try {
    await workspaces.takeOver(project, attempt, from, settings, signal);
    parts.store.commit((tx) => tx.meta.remove(key(attempt.id)));
    live?.assign(subject);
    return live;
  } catch (error) {
    if (signal.aborted) throw error;
    const cause = `what was kept ready was not used: ${error instanceof Error ? error.message : String(error)}`;
    parts.log.warn({ err: error, attempt: attempt.id }, 'what was kept ready could not be used');
    await live?.close(GRACE_MS, 'stopped', cause);
    await workspaces.drop(project, from);
    const meta = { actor: 'gantry', cause, subject };
    const workspace = workspaces.pathFor(project, task, attempt.number);
    ledger.change('begin without what was kept ready', (tx) => {
      tx.attempts.update(attempt.id, { sessionId: null, workspace }, meta);
      tx.meta.remove(key(attempt.id));
    });
    return null;
  }
}
