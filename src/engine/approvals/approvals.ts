import type { BackendEvent, BackendSession, EndReason } from '../../backends/backend.ts';
import { newId } from '../../base/ids.ts';
import { type Deferred, deferred } from '../../base/wait.ts';
import type { Approval, Decision, ToolCall } from '../../contract/approval.ts';
import type { Caller } from '../../contract/caller.ts';
import { AppError } from '../../contract/errors.ts';
import type { FactSubject } from '../../contract/fact.ts';
import type { ApprovalId, SessionId } from '../../contract/ids.ts';
import { isSessionOver, type Session } from '../../contract/session.ts';
import type { Parts } from '../parts.ts';
import { Judge } from '../policy/judge.ts';
import { checkKind, decisionOf, inParts, isSame, reasonOf, STATE_OF } from './approval-answers.ts';
import { Deadlines } from './approval-deadlines.ts';
import { pendingApproval } from './approval-row.ts';
import type { ForeignAnswers } from './foreign-answers.ts';
import { foreignVerdict } from './foreign-question.ts';
import { isProposal } from './proposals.ts';
import { type Settlement, Settlements } from './settlement.ts';

/** Whose questions these are, and how an answer gets back. */
export type Asker = Pick<BackendSession, 'answer'> & {
  readonly id: SessionId;
  readonly subject: Partial<FactSubject>;
  /** Nothing of it waits for this answer any more. */
  readonly onSettled: () => void;
  readonly ended: Promise<void>;
};
type Asked = Extract<BackendEvent, { type: 'asked' }>;

type Asking = Pick<Parts, 'store' | 'clock' | 'log' | 'settingsFor'>;

const ENDED: Decision = { type: 'deny', reason: 'the attempt was ended' };

/** The one inbox: the policy answers what it can; the rest waits for a person, at most until its deadline. */
export class Approvals {
  readonly #parts: Asking;
  readonly #judge: Judge;
  readonly #live = new Map<SessionId, Asker>();
  /** What each live session asks by its own ids: equal questions of one conversation are different questions. */
  readonly #asking = new WeakMap<Asker, Set<string>>();
  /** Gantry's own questions (may this check run?): who waits for them. */
  readonly #own = new Map<ApprovalId, Deferred<Decision>>();
  readonly #deadlines: Deadlines;
  readonly #settlements: Settlements;
  /** The questions of outside programs: how their answers get back. */
  readonly #foreign: ForeignAnswers;
  #isStopped = false;

  constructor(parts: Asking, foreign: ForeignAnswers) {
    this.#foreign = foreign;
    this.#parts = parts;
    this.#judge = new Judge(parts);
    this.#settlements = new Settlements(parts, this.#judge, foreign);
    this.#deadlines = new Deadlines(parts, (approval) => this.#expire(approval));
  }

  /** Arms the deadlines of what is pending and has none: after a restart, or proposed by the engine. */
  start(): void {
    for (const approval of this.#parts.store.read.approvals.list({ state: 'pending' })) this.#deadlines.arm(approval);
    this.#foreign.wake();
  }

  /** Called when a proposal of the engine was decided. */
  onCarriedOut: () => void = () => undefined;

  /** What is pending stays pending for the next daemon, whatever becomes of the sessions now. */
  stop(): void {
    this.#isStopped = true;
    this.#deadlines.stop();
  }

  attach(session: Asker): void {
    this.#live.set(session.id, session);
  }

  /** What a dead session asked stays pending: a resumed one that asks the same gets the answer. A closed one takes its questions along. */
  detach(session: Asker, reason: EndReason): void {
    if (this.#live.get(session.id) === session) this.#live.delete(session.id);
    if (reason.type === 'closed' && !this.#isStopped) this.withdrawAll(session.id, 'the session ended');
  }

  /** Every session that was let go has written its last word. */
  async drained(): Promise<void> {
    await Promise.all([...this.#live.values()].map((session) => session.ended));
  }

  withdrawAll(sessionId: SessionId, cause: string): void {
    const pending = this.#parts.store.read.approvals.list({ sessionId, state: 'pending' });
    for (const approval of pending) if (!isProposal(approval)) this.#withdraw(approval, cause);
  }

  withdrawn(sessionId: SessionId, nativeId: string, cause: string): void {
    const pending = this.#parts.store.read.approvals.list({ sessionId, state: 'pending' });
    for (const approval of pending) if (approval.nativeId === nativeId) this.#withdraw(approval, cause);
  }

  /** An agent asks. */
  async asked(live: Asker, said: Asked): Promise<void> {
    const event = { ...said, subject: inParts(said.subject) };
    const session = this.#parts.store.read.sessions.need(live.id);
    const again = this.#askedBefore(live, event);
    if (again) return this.#rebind(live, again, event);
    if (session.purpose === 'planner') {
      await live.answer(event.nativeId, { type: 'deny', reason: 'Planning changes nothing: answer with the plan.' });
      return;
    }
    if (event.subject.type === 'question') {
      this.#open(session, event, null);
      return;
    }
    const { call } = event.subject;
    const verdict = this.#judge.ofAgent(session, call);
    if (verdict.action === 'ask') {
      this.#open(session, event, verdict.reason);
      return;
    }
    this.#parts.store.commit((tx) =>
      tx.record('policy.decided', { call, verdict, approvalId: null }, live.subject, `policy:${verdict.rule}`),
    );
    await live.answer(event.nativeId, decisionOf(verdict));
  }

  /** Gantry's own question about a command it would run for a task: the policy's answer, or a person's. */
  async askOwn(session: Session, call: ToolCall, signal: AbortSignal): Promise<Decision> {
    const verdict = this.#judge.ofGantry(session, call);
    if (verdict.action !== 'ask') return decisionOf(verdict);
    if (signal.aborted) return ENDED;
    const before = this.#parts.store.read.approvals
      .list({ sessionId: session.id })
      .findLast((a) => a.nativeId.startsWith('check:') && isSame(a.subject, { type: 'permission', call }));
    if (before?.decision) return before.decision;
    const approval =
      before?.state === 'pending'
        ? before
        : this.#open(
            session,
            {
              subject: { type: 'permission', call },
              nativeId: `check:${newId('chk', this.#parts.clock.now())}`,
              isFromChild: false,
            },
            'Gantry would run this to check the work',
          );
    const waiter = deferred<Decision>();
    this.#own.set(approval.id, waiter);
    const onAbort = (): void => waiter.resolve(ENDED);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await waiter.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#own.delete(approval.id);
    }
  }

  /**
   * A person (or the deadline) decides.
   * @throws AppError `not_found`, `already_answered`, `forbidden` for an agent's own token, `bad_request` for an answer of the wrong kind.
   */
  decide(id: ApprovalId, decision: Decision, caller: Caller): Approval {
    if (caller.agent !== null) throw new AppError('forbidden', 'An agent cannot answer approvals, its own or others’.');
    const approval = this.#parts.store.read.approvals.need(id);
    if (approval.state !== 'pending') {
      throw new AppError(
        'already_answered',
        `${id} is ${approval.state} already, by ${approval.decidedBy ?? 'Gantry'}: ${approval.cause ?? ''}`,
      );
    }
    checkKind(approval, decision);
    const settlement = { decision, by: caller.actor, cause: reasonOf(decision) };
    return this.#settle(approval, { ...settlement, to: STATE_OF[decision.type] });
  }

  /** The same question from before a restart. Its id may be another one now; equal questions of this life are not it. */
  #askedBefore(live: Asker, event: Asked): Approval | undefined {
    const asking = this.#asking.get(live) ?? new Set();
    this.#asking.set(live, asking);
    const known = this.#parts.store.read.approvals
      .list({ sessionId: live.id })
      .filter((a) => a.state === 'pending' || (a.decision !== null && !a.isDelivered))
      .findLast((a) => a.nativeId === event.nativeId || (!asking.has(a.nativeId) && isSame(a.subject, event.subject)));
    asking.add(event.nativeId);
    return known;
  }

  async #rebind(live: Asker, approval: Approval, { nativeId, childId }: Asked): Promise<void> {
    const now = { nativeId, ...(childId !== undefined && { childId }) };
    this.#parts.store.commit((tx) =>
      tx.approvals.update(approval.id, now, { actor: 'gantry', cause: 'asked again after a restart' }),
    );
    if (approval.decision) await this.#deliver(live, { ...approval, nativeId });
  }

  #open(
    session: Session,
    { subject, nativeId, isFromChild, childId }: Omit<Asked, 'type'>,
    cause: string | null,
  ): Approval {
    const { store, clock } = this.#parts;
    const now = clock.now();
    const attempt = session.attemptId ? store.read.attempts.need(session.attemptId) : null;
    const { project, settings } = this.#judge.context(session);
    const asked = {
      id: newId('apr', now),
      subject,
      sessionId: session.id,
      attemptId: session.attemptId,
      taskId: attempt?.taskId ?? null,
      requestId: attempt?.requestId ?? null,
      agent: session.agent,
      backend: session.backend,
      project: project?.name ?? session.directory,
      nativeId,
      isFromChild,
      ...(childId !== undefined && { childId }),
      cause,
    };
    const row = pendingApproval(asked, now, settings.limits.approvalTimeout);
    store.commit((tx) => {
      tx.approvals.insert(row, {
        actor: session.agent ? `agent:${session.agent}` : 'gantry',
        cause: 'waits for a person',
      });
      if (!isSessionOver(session.state)) {
        const activity = subject.type === 'question' ? 'waiting-answer' : 'waiting-approval';
        tx.sessions.update(session.id, { activity }, { actor: 'gantry' });
      }
    });
    this.#deadlines.arm(row);
    return row;
  }

  #expire(approval: Approval): void {
    const minutes = Math.round((approval.expiresAt - approval.createdAt) / 6_000) / 10;
    const reason = `Nobody answered within ${minutes} min, so it was denied.`;
    this.#settle(approval, { to: 'expired', decision: { type: 'deny', reason }, by: 'deadline', cause: reason });
  }

  /** An outside program asked, in a transaction that has been committed: the policy answers, or it waits for a person. */
  openedForeign(approval: Approval): void {
    const verdict = foreignVerdict(approval, this.#parts);
    if (verdict === null) {
      this.#deadlines.arm(approval);
      return;
    }
    const decision = decisionOf(verdict);
    const by = `policy:${verdict.rule}`;
    this.#settle(approval, { to: STATE_OF[decision.type], decision, by, cause: reasonOf(decision) });
  }

  /** The program that asked wants no answer any more. */
  withdrawForeign(approval: Approval, cause: string): void {
    if (approval.state === 'pending') this.#withdraw(approval, cause);
  }

  #withdraw(approval: Approval, cause: string): void {
    const patch = { cause, decidedBy: 'gantry' };
    this.#parts.store.commit((tx) =>
      tx.approvals.move(approval.id, 'pending', 'withdrawn', patch, { actor: 'gantry', cause }),
    );
    this.#deadlines.disarm(approval.id);
    this.#own.get(approval.id)?.resolve({ type: 'deny', reason: cause });
    if (approval.sessionId !== null) this.#live.get(approval.sessionId)?.onSettled();
  }

  /** Written down first; then whoever waits for it is told. */
  #settle(approval: Approval, settlement: Settlement): Approval {
    const settled = this.#settlements.write(approval, settlement);
    this.#deadlines.disarm(approval.id);
    if (isProposal(approval)) this.onCarriedOut();
    else if (approval.sessionId === null) this.#foreign.wake();
    else this.#tell(settled, approval.sessionId, settlement.decision);
    return settled;
  }

  #tell(approval: Approval, sessionId: SessionId, decision: Decision): void {
    const own = this.#own.get(approval.id);
    const live = this.#live.get(sessionId);
    if (own) own.resolve(decision);
    else if (live) {
      this.#deliver(live, approval).catch((error: unknown) => {
        // Kept as decided and not delivered: it is handed over when the session asks again.
        this.#parts.log.error({ err: error, approval: approval.id }, 'an answer did not reach the agent');
      });
    }
  }

  async #deliver(live: Asker, approval: Approval): Promise<void> {
    if (!approval.decision) return;
    const taken = await live.answer(approval.nativeId, approval.decision);
    this.#parts.store.commit((tx) => {
      tx.approvals.update(approval.id, { isDelivered: true }, { actor: 'gantry' });
      if (taken === 'gone')
        tx.record(
          'notice',
          { level: 'warning', text: `${approval.id} was answered, but the agent no longer asks` },
          live.subject,
          'gantry',
        );
    });
    live.onSettled();
  }
}
