import type { Approval } from '../../contract/approval.ts';

/** What is known of a question when it is asked. */
export type Asked = Omit<
  Approval,
  'state' | 'decision' | 'decidedBy' | 'isDelivered' | 'expiresAt' | 'createdAt' | 'updatedAt'
>;

/** A question that nobody has decided yet, and that waits for at most `limitMs`. */
export const pendingApproval = (asked: Asked, now: number, limitMs: number): Approval => ({
  ...asked,
  state: 'pending',
  decision: null,
  decidedBy: null,
  isDelivered: false,
  expiresAt: now + limitMs,
  createdAt: now,
  updatedAt: now,
});
