import type { Approval, ApprovalState, ApprovalSubject, Decision, PolicyVerdict } from '../../contract/approval.ts';
import { AppError } from '../../contract/errors.ts';
import { commandPatterns } from '../policy/policy.ts';
import { checkPicked } from './picked-files.ts';

/** What a decision makes of a pending approval. */
export const STATE_OF: Readonly<Record<Decision['type'], ApprovalState>> = {
  allow: 'allowed',
  deny: 'denied',
  answer: 'answered',
};

/** A command in the parts that rules and grants are matched with, the same for every agent program. */
export function inParts(subject: ApprovalSubject): ApprovalSubject {
  if (subject.type === 'question' || subject.call.command === null) return subject;
  return { ...subject, call: { ...subject.call, patterns: [...commandPatterns(subject.call.command)] } };
}

export const isSame = (a: ApprovalSubject, b: ApprovalSubject): boolean => JSON.stringify(a) === JSON.stringify(b);

/** A decision in words. */
export function reasonOf(decision: Decision): string {
  if (decision.type === 'deny') return decision.reason;
  return decision.type === 'allow' ? `allowed: ${decision.scope}` : 'answered';
}

/** What the policy answers where it asks nobody. */
export const decisionOf = ({ action, reason, rule }: PolicyVerdict): Decision =>
  action === 'allow'
    ? { type: 'allow', scope: 'once', expiresAt: null }
    : { type: 'deny', reason: reason ?? `The policy denies this (${rule}).` };

/** @throws AppError `bad_request`, `path_refused` for an answer that does not fit what was asked */
export function checkKind(approval: Approval, decision: Decision): void {
  const { subject } = approval;
  if (decision.type === 'allow' && subject.type !== 'permission') {
    throw new AppError('bad_request', `${approval.id} is a question: answer it, or deny it`);
  }
  if (decision.type === 'answer') {
    if (subject.type !== 'question')
      throw new AppError('bad_request', `${approval.id} is a permission: allow or deny it`);
    if (decision.answers.length !== subject.questions.length) {
      throw new AppError(
        'bad_request',
        `${approval.id} has ${subject.questions.length} question(s), ${decision.answers.length} answer(s) were given`,
      );
    }
    subject.questions.forEach((question, i) => {
      const labels = question.options.map((o) => o.label);
      const foreign = (decision.answers[i] ?? []).find((answer) => !question.isFreeText && !labels.includes(answer));
      if (foreign !== undefined)
        throw new AppError('bad_request', `"${foreign}" is not offered; accepted: ${labels.join(', ')}`);
      if (question.directory !== undefined) checkPicked(question.directory, decision.answers[i] ?? []);
    });
  }
}
