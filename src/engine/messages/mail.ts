import type { Backend } from '../../backends/backend.ts';
import { LIVE_ATTEMPT_STATES, type StoredPrompt } from '../../contract/attempt.ts';
import type { AgentAddress, PromptId, SessionId } from '../../contract/ids.ts';
import type { Message } from '../../contract/message.ts';
import type { Reader, Transaction } from '../../store/store.ts';
import type { Parts } from '../parts.ts';
import { tellSender } from './post.ts';

/** Messages that no prompt which is still to be sent carries, oldest first. A prompt that was given up gives them back. */
export function waitingMail(parts: Parts, agent: AgentAddress, toBeSent: readonly StoredPrompt[]): Message[] {
  const carrying = storedIds(toBeSent);
  const now = parts.clock.now();
  const queued = parts.store.read.messages.list({ to: agent, state: 'queued' });
  return queued.filter(
    ({ promptId, expiresAt }) =>
      (promptId === null || !carrying.has(promptId)) && (expiresAt === null || expiresAt > now),
  );
}

/** What a new conversation must be told: also what only the lost one was given and may not have read. */
export const untoldMail = (parts: Parts, agent: AgentAddress): Message[] => [
  ...parts.store.read.messages.list({ to: agent, state: 'delivered' }),
  ...waitingMail(parts, agent, []),
];

/**
 * What may not wait for the end of the running turn, and its mode; null if there is nothing such. A session that waits for
 * an answer is never typed into: it waits until that is settled.
 */
export function urgentMail(
  parts: Parts,
  {
    agent,
    sessionId,
    prompts,
  }: { readonly agent: AgentAddress; readonly sessionId: SessionId; readonly prompts: readonly StoredPrompt[] },
  capabilities: Backend['capabilities'],
): { readonly mode: 'steer' | 'interrupt'; readonly mail: readonly Message[] } | null {
  if (isWaitingForAnswer(parts.store.read, sessionId)) return null;
  const mail = waitingMail(parts, agent, prompts).filter((m) => m.mode !== 'next-turn' && capabilities[m.mode]);
  if (mail.length === 0) return null;
  return { mode: mail.some((m) => m.mode === 'interrupt') ? 'interrupt' : 'steer', mail };
}

const isWaitingForAnswer = (read: Reader, sessionId: SessionId): boolean =>
  read.approvals.count({ sessionId, state: 'pending' }) > 0;

const storedIds = (prompts: readonly StoredPrompt[]): ReadonlySet<string> =>
  new Set(prompts.flatMap(({ id, state }) => (state === 'stored' ? [id] : [])));

/** A stored prompt carries them: a crash between storing and sending gives them once, not twice. */
export function carryMail(tx: Transaction, mail: readonly Message[], promptId: PromptId): void {
  for (const message of mail) tx.messages.update(message.id, { promptId }, { actor: 'gantry' });
}

export function mailDelivered(tx: Transaction, agent: AgentAddress, promptId: PromptId): void {
  for (const message of carriedBy(tx, agent, promptId, 'queued'))
    tx.messages.move(message.id, 'queued', 'delivered', {}, { actor: 'gantry' });
}

/** The turn that carried them is over: they were in a model request. */
export function mailSeen(tx: Transaction, agent: AgentAddress, promptId: PromptId): void {
  for (const message of carriedBy(tx, agent, promptId, 'delivered'))
    tx.messages.move(message.id, 'delivered', 'seen', {}, { actor: 'gantry' });
}

const carriedBy = (tx: Transaction, agent: AgentAddress, promptId: PromptId, state: Message['state']): Message[] =>
  tx.messages.list({ to: agent, state }).filter((m) => m.promptId === promptId);

/** Messages past their time are never delivered later; their senders are told. @returns when the next one expires, or null. */
export function expireMail(parts: Parts): number | null {
  const { read } = parts.store;
  const now = parts.clock.now();
  const live = read.attempts.list({ state: LIVE_ATTEMPT_STATES });
  const standing = read.agents.list({}).flatMap((agent) => agent.standing ?? []);
  const carrying = storedIds([...live, ...standing].flatMap(({ prompts }) => prompts));
  let next: number | null = null;
  for (const message of read.messages.list({ state: 'queued' })) {
    if (message.expiresAt === null || (message.promptId !== null && carrying.has(message.promptId))) continue;
    if (message.expiresAt <= now) {
      const cause = 'nobody took it before it expired';
      parts.store.commit((tx) => {
        tx.messages.move(message.id, 'queued', 'expired', { cause }, { actor: 'gantry', cause });
        tellSender(parts, tx, message, `was not delivered: ${cause}`);
      });
    } else {
      next = Math.min(next ?? message.expiresAt, message.expiresAt);
    }
  }
  return next;
}
