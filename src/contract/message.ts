import { z } from 'zod';
import { AgentAddress, MessageId } from './ids.ts';

export const MessageMode = z.enum(['next-turn', 'steer', 'interrupt']);
export type MessageMode = z.infer<typeof MessageMode>;

/** Who has an inbox: an agent, by its address, or the person. */
export const MailAddress = z.union([z.literal('person'), AgentAddress]);
export type MailAddress = z.infer<typeof MailAddress>;

/** `notice`: Gantry tells what became of a message. It is carried along and wakes nobody. */
export const MessageKind = z.enum(['mail', 'broadcast', 'notice', 'escalation']);
export type MessageKind = z.infer<typeof MessageKind>;

export const Severity = z.enum(['low', 'medium', 'high', 'critical']);
export type Severity = z.infer<typeof Severity>;

/** Of an escalation: how much it blocks, how often it was raised for want of an answer, and when that is done next (null: not by this one). */
export const Escalation = z.object({ severity: Severity, raises: z.number().int(), raiseAt: z.number().nullable() });
export type Escalation = z.infer<typeof Escalation>;

/** Durable mail to an agent or the person, never to a session. */
export const Message = z.object({
  id: MessageId,
  /** An agent's address, `person` or `gantry`. */
  from: z.string(),
  to: MailAddress,
  kind: MessageKind,
  subject: z.string().max(200).nullable(),
  text: z.string().min(1).max(100_000),
  mode: MessageMode,
  replyTo: MessageId.nullable(),
  thread: MessageId,
  state: z.enum(['queued', 'delivered', 'seen', 'replied', 'expired', 'refused']),
  cause: z.string().nullable(),
  /** The prompt that carried it. */
  promptId: z.string().nullable(),
  expiresAt: z.number().nullable(),
  escalation: Escalation.nullable().default(null),
  /** Put away by its reader: no longer in the inbox. */
  archivedAt: z.number().nullable(),
  createdAt: z.number(),
  updatedAt: z.number(),
});
export type Message = z.infer<typeof Message>;

/** `held`: why one that is queued waits; null if nothing known holds it. */
export const ShownMessage = Message.extend({ held: z.string().nullable() });
export type ShownMessage = z.infer<typeof ShownMessage>;

export const MESSAGE_MOVES: Readonly<Record<Message['state'], readonly Message['state'][]>> = {
  queued: ['delivered', 'expired', 'refused'],
  delivered: ['seen', 'replied', 'refused'],
  seen: ['replied'],
  replied: [],
  expired: [],
  refused: [],
};
