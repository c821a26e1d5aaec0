import type { StoredPrompt } from '../../contract/attempt.ts';
import { untoldMail, waitingMail } from '../messages/mail.ts';
import type { Parts } from '../parts.ts';
import type { LiveSession } from '../sessions/session.ts';
import type { Settings } from '../settings.ts';
import { AttemptFailure } from './attempt-failure.ts';
import type { AttemptLedger } from './attempt-ledger.ts';
import { noteFor } from './handoff-note.ts';
import { evidencePrompt, goOnPrompt, handOverNote, mailText, taskPrompt } from './prompts.ts';
import type { Verification } from './verify.ts';

/** What the agent of an attempt is told, each prompt written down before it is given. */
export class AttemptPrompts {
  readonly #parts: Parts;
  readonly #ledger: AttemptLedger;
  readonly #settings: Settings;

  constructor(parts: Parts, ledger: AttemptLedger, settings: Settings) {
    this.#parts = parts;
    this.#ledger = ledger;
    this.#settings = settings;
  }

  /** What was on its way goes out again with the same ids; else the task, or what came in between, is told. */
  first(live: LiveSession): StoredPrompt {
    const { attempt, task } = this.#ledger;
    const pending = attempt.prompts.findLast((p) => p.state !== 'ended');
    const isSameTalk = live.origin.type === 'resumed' || (live.origin.type === 'new' && pending?.state === 'stored');
    if (pending && isSameTalk) return pending;
    const failure = attempt.number > 1 ? task.failure : null;
    const cause =
      live.origin.type === 'new-instead'
        ? `new session, ${live.origin.reason}`
        : (failure?.message ?? task.cause ?? 'it was interrupted');
    if (live.origin.type === 'resumed' && this.#ledger.isTold(live.nativeId)) {
      return this.goOn(cause);
    }
    const isFirst = attempt.number === 1 && attempt.prompts.length === 0;
    const mail = untoldMail(this.#parts, attempt.agent);
    const text = taskPrompt(task, this.#parts.store.read.requests.need(task.requestId), {
      rolePrompt: this.#settings.roles[task.role]?.prompt ?? null,
      handOver: isFirst ? null : this.#handOver(live, cause),
      mail,
    });
    return this.#ledger.storePrompt('task', text, mail);
  }

  /** What another agent program left, and what went wrong since. */
  #handOver(live: LiveSession, cause: string): string {
    const { attempt, task } = this.#ledger;
    const note = noteFor(this.#parts.store.read, task.id);
    const isWrong = note === null || task.failure !== null || live.origin.type === 'new-instead';
    return [note, isWrong ? handOverNote(attempt.number, cause) : null].filter((part) => part !== null).join('\n\n');
  }

  /** What came meanwhile; null: nothing. */
  mail(): StoredPrompt | null {
    const { agent, prompts } = this.#ledger.attempt;
    const mail = waitingMail(this.#parts, agent, prompts);
    const text = mailText(mail);
    return text === null ? null : this.#ledger.storePrompt('message', text, mail);
  }

  /** A turn that was broken off is taken up again. */
  goOn(cause: string): StoredPrompt {
    return this.#ledger.storePrompt('resume', goOnPrompt(cause));
  }

  /** What the checks found. @throws AttemptFailure `verification` once it was told often enough */
  evidence(verification: Verification): StoredPrompt {
    const { attempt } = this.#ledger;
    const unmet = verification.checks.filter((c) => c.isMet === false);
    if (attempt.verifyRounds >= this.#settings.limits.verifyRounds) {
      const what = verification.problem ?? `not met: ${unmet.map(({ text }) => text).join('; ')}`;
      const exitCode = unmet.find((check) => check.exitCode !== null)?.exitCode;
      throw new AttemptFailure({ class: 'verification', message: what, resetAt: null, ...(exitCode && { exitCode }) });
    }
    this.#ledger.change('verification failed', (tx) =>
      tx.attempts.update(
        attempt.id,
        { verifyRounds: attempt.verifyRounds + 1 },
        { actor: 'gantry', subject: this.#ledger.subject },
      ),
    );
    return this.#ledger.storePrompt('evidence', evidencePrompt(verification.checks, verification.problem));
  }
}
