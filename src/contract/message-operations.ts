import { z } from 'zod';
import { MessageId } from './ids.ts';
import { Message, MessageMode, Severity, ShownMessage } from './message.ts';
import { limit, type Operation } from './operation.ts';

/** An agent's address, or a short form that fits one agent: its name, `project/name`, `role/name`; `person` is the person. */
const recipient = z.string().min(1).max(300);

const content = {
  text: z.string().min(1).max(100_000),
  subject: z.string().min(1).max(200).optional(),
  mode: MessageMode.default('next-turn'),
  ttlMs: z.number().int().positive().optional(),
};

/** What became of a message to one recipient; `messageId` is null where nothing was sent. */
export const Receipt = z.object({
  to: z.string(),
  messageId: MessageId.nullable(),
  state: z.enum([...Message.shape.state.options, 'would-send', 'skipped']),
  cause: z.string().nullable(),
});
export type Receipt = z.infer<typeof Receipt>;

export const MESSAGE_OPERATIONS = {
  'messages.send': {
    method: 'POST',
    path: '/api/v1/messages',
    scope: 'operate',
    isForAgents: true,
    summary: 'Send a message to an agent or, from an agent, to the person',
    status: 202,
    input: z.object({ to: recipient, ...content, replyTo: MessageId.optional() }),
    output: ShownMessage,
  },
  'messages.broadcast': {
    method: 'POST',
    path: '/api/v1/broadcasts',
    scope: 'operate',
    isForAgents: true,
    summary: 'Send a message to every agent of a project or role, but not to the sender',
    status: 202,
    input: z.object({
      ...content,
      project: z.string().optional(),
      role: z.string().optional(),
      /** Only to agents that have a session now. */
      isLiveOnly: z.boolean().default(false),
      isDryRun: z.boolean().default(false),
    }),
    output: z.object({ receipts: z.array(Receipt) }),
  },
  'messages.escalate': {
    method: 'POST',
    path: '/api/v1/escalations',
    scope: 'operate',
    isForAgents: true,
    summary: 'Tell those who coordinate, and for high or critical the person, that something blocks',
    status: 202,
    input: z.object({
      text: content.text,
      subject: content.subject,
      severity: Severity.default('medium'),
    }),
    output: z.object({ items: z.array(Message) }),
  },
  'messages.list': {
    method: 'GET',
    path: '/api/v1/messages',
    scope: 'read',
    isForAgents: true,
    summary: 'Messages to or from an agent or the person, newest first; an agent sees its own only',
    status: 200,
    input: z.object({
      agent: recipient.optional(),
      thread: MessageId.optional(),
      /** Those that were put away too. */
      all: z.stringbool().default(false),
      limit,
    }),
    output: z.object({ items: z.array(ShownMessage) }),
  },
  'messages.read': {
    method: 'POST',
    path: '/api/v1/messages/:id/read',
    scope: 'operate',
    isForAgents: true,
    summary: 'Read a message: one to the caller counts as seen and is not delivered again',
    status: 200,
    input: z.object({ id: MessageId }),
    output: z.object({ message: ShownMessage, thread: z.array(ShownMessage) }),
  },
  'messages.archive': {
    method: 'POST',
    path: '/api/v1/messages/:id/archive',
    scope: 'operate',
    isForAgents: true,
    summary: 'Put a message away',
    status: 200,
    input: z.object({ id: MessageId }),
    output: Message,
  },
} as const satisfies Record<string, Operation>;
