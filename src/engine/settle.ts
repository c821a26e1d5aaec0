import type { Failure } from '../contract/failure.ts';
import { openAlert } from './alerts.ts';
import type { AttemptLedger } from './attempt-ledger.ts';
import { afterFailure } from './outcome.ts';
import type { Parts } from './parts.ts';
import type { Settings } from './settings.ts';
import { subjectOf } from './subject.ts';

/**
 * Writes down that an attempt failed and what follows, in one transaction.
 * @returns `again` if another attempt will come by itself.
 * @throws AppError `stale` if the attempt no longer holds its task.
 */
export function settleFailure(
  parts: Parts,
  ledger: AttemptLedger,
  failure: Failure,
  isHopeless: boolean,
  limits: Settings['limits'],
): 'again' | 'over' {
  const now = parts.clock.now();
  return ledger.change(`failed: ${failure.class}`, (tx, task, attempt) => {
    const made = task.attempts - task.attemptsBase;
    const cap = isHopeless ? made : (parts.settingsFor(null).roles[task.role]?.maxAttempts ?? limits.maxAttempts);
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
