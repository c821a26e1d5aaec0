import { newId } from '../base/ids.ts';
import type { StoredPrompt } from '../contract/attempt.ts';
import type { Caller } from '../contract/caller.ts';
import { AppError } from '../contract/errors.ts';
import type { AgentAddress, PromptId } from '../contract/ids.ts';
import type { Message, MessageMode } from '../contract/message.ts';
import type { Transaction } from '../store/store.ts';
import type { Parts } from './parts.ts';

/** Messages that no prompt which is still to be sent carries, oldest first. A prompt that was given up gives them back. */
export function waitingMail(parts: Parts, agent: AgentAddress, toBeSent: readonly StoredPrompt[]): Message[] {
  const carrying = storedIds(toBeSent);
  const queued = parts.store.read.messages.list({ to: agent, state: 'queued' });
  return queued.filter(({ promptId }) => promptId === null || !carrying.has(promptId));
}

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

/**
 * Queues a message. It goes out with the agent's next prompt; an agent without a session gets it with its next one.
 * @throws AppError `not_found` for an unknown agent, `unsupported` for a mode that is not served yet.
 */
export function sendMessage(
  parts: Parts,
  input: {
    to: AgentAddress;
    text: string;
    mode: MessageMode;
    replyTo?: Message['id'] | undefined;
    ttlMs?: number | undefined;
  },
  caller: Caller,
): Message {
  parts.store.read.agents.need(input.to);
  const now = parts.clock.now();
  const id = newId('mail', now);
  const before = input.replyTo ? parts.store.read.messages.need(input.replyTo) : null;
  const row: Message = {
    id,
    from: caller.agent ?? 'person',
    to: input.to,
    text: input.text,
    mode: input.mode,
    replyTo: input.replyTo ?? null,
    thread: before?.thread ?? id,
    state: 'queued',
    cause: null,
    promptId: null,
    expiresAt: input.ttlMs === undefined ? null : now + input.ttlMs,
    createdAt: now,
    updatedAt: now,
  };
  if (input.mode !== 'next-turn')
    throw new AppError('unsupported', `mode ${input.mode} is not served yet; accepted: next-turn`);
  return parts.store.commit((tx) => tx.messages.insert(row, { actor: caller.actor }));
}

/** Messages past their time are never delivered later. @returns when the next one expires, or null. */
export function expireMail(parts: Parts): number | null {
  const { read } = parts.store;
  const now = parts.clock.now();
  const live = read.attempts.list({ state: ['starting', 'working', 'verifying'] });
  const carrying = storedIds(live.flatMap(({ prompts }) => prompts));
  let next: number | null = null;
  for (const message of read.messages.list({ state: 'queued' })) {
    if (message.expiresAt === null || (message.promptId !== null && carrying.has(message.promptId))) continue;
    if (message.expiresAt <= now) {
      const cause = 'nobody took it before it expired';
      parts.store.commit((tx) =>
        tx.messages.move(message.id, 'queued', 'expired', { cause }, { actor: 'gantry', cause }),
      );
    } else {
      next = Math.min(next ?? message.expiresAt, message.expiresAt);
    }
  }
  return next;
}
