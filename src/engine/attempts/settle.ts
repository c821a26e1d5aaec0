import { toAppError } from '../../contract/errors.ts';
import type { Failure } from '../../contract/failure.ts';
import type { Task } from '../../contract/task.ts';
import type { Transaction } from '../../store/store.ts';
import { openAlert } from '../alerts.ts';
import { askToRaise, type Overrun } from '../budget/budget.ts';
import type { Parts } from '../parts.ts';
import { block, USUAL_FAILURES } from '../scheduling/breaker.ts';
import { hasFallback, type Rerouted, reroute } from '../scheduling/failover.ts';
import type { Settings } from '../settings.ts';
import { subjectOf } from '../subject.ts';
import { isPassing, leftMeanwhile } from '../written.ts';
import type { AttemptLedger } from './attempt-ledger.ts';
import { afterFailure } from './outcome.ts';

type How = { readonly isHopeless: boolean; readonly isBackendDown: boolean; readonly overrun: Overrun | null };

/**
 * Writes down that an attempt failed and what follows, however long the store refuses it: an attempt without a run and
 * without an end would hold its task and its agent until the next start of the daemon.
 * @param onRefused its program does not wait for that
 * @param left resolves when the attempt is left to a later run
 * @returns `again` if another attempt will come by itself; `over` also if the attempt no longer holds its task
 */
export async function settleFailure(
  parts: Parts,
  ledger: AttemptLedger,
  given: { readonly failure: Failure; readonly how: How; readonly limits: Settings['limits'] },
  onRefused: (failure: Failure) => Promise<void>,
  left: Promise<'left'>,
): Promise<'again' | 'over'> {
  let { failure, how } = given;
  for (let isLeft = false; ; ) {
    try {
      return settle(parts, ledger, failure, how, given.limits);
    } catch (error) {
      const { code, message } = toAppError(error);
      // Cancelled or superseded at the same moment: what holds is in the ledger already.
      if (code === 'stale') return 'over';
      parts.log.error({ err: error, attempt: ledger.id, failure }, 'the end of an attempt could not be written down');
      if (isLeft) throw error;
      await onRefused(failure);
      if (!isPassing(error) && failure.class !== 'internal') {
        // What decides about this failure is broken: it counts as one of Gantry.
        const words = `${message}, when it was settled that it failed (${failure.class}: ${failure.message})`;
        failure = { class: 'internal', message: words, resetAt: null };
        how = { isHopeless: false, isBackendDown: false, overrun: null };
        continue;
      }
      isLeft = await leftMeanwhile(parts.clock, left);
    }
  }
}

function settle(
  parts: Parts,
  ledger: AttemptLedger,
  failure: Failure,
  how: How,
  limits: Settings['limits'],
): 'again' | 'over' {
  const now = parts.clock.now();
  return ledger.change(`failed: ${failure.class}`, (tx, task, attempt) => {
    noteWall(parts, tx, task, failure, how.isBackendDown);
    const kept = waitInstead(parts, tx, task, failure, how);
    if (kept) {
      const meta = { actor: 'gantry', cause: kept.cause, subject: subjectOf(task, attempt) };
      tx.attempts.move(attempt.id, attempt.state, 'failed', { failure, cause: failure.message, endedAt: now }, meta);
      const patch = { failure, ...kept, attemptsBase: task.attemptsBase + 1 };
      tx.tasks.move(task.id, task.state, 'deferred', patch, meta);
      return 'again';
    }
    const made = task.attempts - task.attemptsBase;
    const cap = how.isHopeless ? made : maxAttemptsOf(parts, task, limits);
    const next = afterFailure(failure, made, { ...limits, maxAttempts: cap }, now, parts.random());
    const meta = { actor: 'gantry', cause: next.cause, subject: subjectOf(task, attempt) };
    tx.attempts.move(attempt.id, attempt.state, 'failed', { failure, cause: failure.message, endedAt: now }, meta);
    const patch = { failure, cause: next.cause };
    if (next.type === 'again') {
      if (failure.class === 'crash')
        openAlert(tx, `crash:${task.id}`, `${task.title}: ${failure.message}`, meta.subject);
      const attemptsBase = next.isCounted ? task.attemptsBase : task.attemptsBase + 1;
      tx.tasks.move(task.id, task.state, 'deferred', { ...patch, notBefore: next.at, attemptsBase }, meta);
      return 'again';
    }
    if (next.type === 'person') {
      tx.tasks.move(task.id, task.state, 'waiting', patch, meta);
      openAlert(
        tx,
        `task:${task.id}`,
        `${task.title}: ${next.cause}. Then: gantry retry ${task.id}, or gantry cancel ${task.id}`,
        meta.subject,
      );
    } else {
      tx.tasks.move(task.id, task.state, 'failed', { ...patch, endedAt: now }, meta);
    }
    return 'over';
  });
}

const maxAttemptsOf = (parts: Parts, { role }: Task, limits: Settings['limits']): number =>
  parts.settingsFor(null).roles[role]?.maxAttempts ?? limits.maxAttempts;

function noteWall(parts: Parts, tx: Transaction, task: Task, failure: Failure, isBackendDown: boolean): void {
  const isWall = (failure.class === 'quota' || failure.class === 'rate') && failure.resetAt !== null;
  if (!isBackendDown && !isWall) return;
  const isQuick = isWall || hasFallback(parts, tx, task);
  block(tx, task.backend, failure, parts.clock.now(), isQuick ? 1 : USUAL_FAILURES);
}

/** Nothing that the task did wrong: it waits for its backend, for another one, or for a person, and no attempt is spent. */
function waitInstead(
  parts: Parts,
  tx: Transaction,
  task: Task,
  failure: Failure,
  { isBackendDown, overrun }: { readonly isBackendDown: boolean; readonly overrun: Overrun | null },
): Rerouted | null {
  if (isBackendDown) return reroute(parts, tx, task, failure.message);
  return overrun === null ? null : askToRaise(parts, tx, task, overrun);
}
