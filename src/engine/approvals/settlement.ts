import type { Approval, ApprovalState, Decision } from '../../contract/approval.ts';
import { AppError } from '../../contract/errors.ts';
import type { SessionId } from '../../contract/ids.ts';
import { isSessionOver } from '../../contract/session.ts';
import type { Transaction } from '../../store/store.ts';
import type { Parts } from '../parts.ts';
import { grantFor } from '../policy/grants.ts';
import type { Judge } from '../policy/judge.ts';
import type { ForeignAnswers } from './foreign-answers.ts';
import { carryOut, isProposal } from './proposals.ts';

/** What becomes of a pending approval, by whom and why. */
export type Settlement = {
  readonly to: ApprovalState;
  readonly decision: Decision;
  readonly by: string;
  readonly cause: string;
};

/** Writes decisions down, each with what follows from it in one transaction: by whose question it was. */
export class Settlements {
  readonly #parts: Pick<Parts, 'store' | 'clock' | 'settingsFor'>;
  readonly #judge: Judge;
  readonly #foreign: ForeignAnswers;

  constructor(parts: Pick<Parts, 'store' | 'clock' | 'settingsFor'>, judge: Judge, foreign: ForeignAnswers) {
    this.#parts = parts;
    this.#judge = judge;
    this.#foreign = foreign;
  }

  /** @throws AppError `illegal_move` if it is pending no longer, `bad_request` for a standing yes to an outside program */
  write(approval: Approval, settlement: Settlement): Approval {
    const { sessionId } = approval;
    return this.#parts.store.commit((tx) => {
      if (isProposal(approval)) return this.#proposal(tx, approval, settlement);
      if (sessionId === null) return this.#foreigner(tx, approval, settlement);
      return this.#agents(tx, approval, sessionId, settlement);
    });
  }

  /** Gantry's own proposal is carried out. */
  #proposal(tx: Transaction, approval: Approval, settlement: Settlement): Approval {
    const row = move(tx, approval, settlement);
    carryOut(this.#parts, tx, row);
    return tx.approvals.update(row.id, { isDelivered: true }, { actor: 'gantry' });
  }

  /** An outside program's waits for its answer beside the row. */
  #foreigner(tx: Transaction, approval: Approval, settlement: Settlement): Approval {
    const { to, decision } = settlement;
    if (decision.type === 'allow' && decision.scope !== 'once') {
      throw new AppError('bad_request', `${approval.id} is an outside program's: it can be allowed once only`);
    }
    // A decision of the deadline is told by the state; the program is not called for it.
    const isTold = to !== 'expired';
    const kept = isTold ? this.#foreign.decided(tx, approval, decision) : decision;
    const foreign = approval.foreign && {
      ...approval.foreign,
      delivery: isTold ? ('pending' as const) : null,
      respondedAt: this.#parts.clock.now(),
    };
    return move(tx, approval, { ...settlement, decision: kept }, foreign && { foreign });
  }

  /** An agent goes on, and a standing yes is remembered. */
  #agents(tx: Transaction, approval: Approval, sessionId: SessionId, settlement: Settlement): Approval {
    const row = move(tx, approval, settlement);
    const session = tx.sessions.need(sessionId);
    const { decision, by } = settlement;
    if (decision.type === 'allow' && decision.scope !== 'once' && row.subject.type === 'permission') {
      const projectId = this.#judge.context(session).project?.id ?? null;
      const { expiresAt } = decision;
      const given = { sessionId, projectId, by, expiresAt, now: this.#parts.clock.now() };
      tx.grants.insert(grantFor(row, decision.scope, given), { actor: by });
    }
    if (!isSessionOver(session.state)) tx.sessions.update(sessionId, { activity: 'busy' }, { actor: 'gantry' });
    return row;
  }
}

const move = (
  tx: Transaction,
  { id }: Approval,
  { to, decision, by, cause }: Settlement,
  more: Partial<Approval> = {},
): Approval => tx.approvals.move(id, 'pending', to, { decision, decidedBy: by, cause, ...more }, { actor: by, cause });
