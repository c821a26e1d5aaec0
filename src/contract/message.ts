import { z } from 'zod';
import { AgentAddress, MessageId } from './ids.ts';

export const MessageMode = z.enum(['next-turn', 'steer', 'interrupt']);
export type MessageMode = z.infer<typeof MessageMode>;

/** Durable mail to an agent, never to a session. */
export const Message = z.object({
  id: MessageId,
  /** An agent's address, `person` or `gantry`. */
  from: z.string(),
  to: AgentAddress,
  text: z.string().min(1).max(100_000),
  mode: MessageMode,
  replyTo: MessageId.nullable(),
  thread: MessageId,
  state: z.enum(['queued', 'delivered', 'seen', 'replied', 'expired', 'refused']),
  cause: z.string().nullable(),
  /** The prompt that carried it. */
  promptId: z.string().nullable(),
  expiresAt: z.number().nullable(),
  createdAt: z.number(),
  updatedAt: z.number(),
});
export type Message = z.infer<typeof Message>;

export const MESSAGE_MOVES: Readonly<Record<Message['state'], readonly Message['state'][]>> = {
  queued: ['delivered', 'expired', 'refused'],
  delivered: ['seen', 'replied', 'refused'],
  seen: ['replied'],
  replied: [],
  expired: [],
  refused: [],
};
