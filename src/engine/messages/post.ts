import { newId } from '../../base/ids.ts';
import type { ParsedInputOf } from '../../contract/api.ts';
import type { Caller } from '../../contract/caller.ts';
import type { RoleRight } from '../../contract/config.ts';
import { AppError } from '../../contract/errors.ts';
import type { MessageId } from '../../contract/ids.ts';
import type { Message, MessageKind, ShownMessage } from '../../contract/message.ts';
import type { Transaction } from '../../store/store.ts';
import { needAgent } from '../agents/addresses.ts';
import type { Parts } from '../parts.ts';
import { capabilitiesOf } from '../scheduling/capabilities.ts';
import { shown } from './hold.ts';

type Post = Pick<ParsedInputOf<'messages.send'>, 'text' | 'mode' | 'subject' | 'ttlMs'>;

/**
 * Queues a message to an agent: it goes out as its mode says, to an agent without a session with its next one. One to the
 * person is in their inbox at once. A reply marks what it answers.
 * @throws AppError `not_found`, `conflict` for a short form that fits several agents, `unsupported` for an interruption that the
 * agent program cannot do, `forbidden` for what the sender's role may not
 */
export function sendMessage(parts: Parts, input: ParsedInputOf<'messages.send'>, caller: Caller): Message {
  const { read } = parts.store;
  const to = input.to === 'person' ? 'person' : needAgent(read, input.to).id;
  const from = caller.agent ?? 'person';
  if (from === to) throw new AppError('bad_request', `${from} cannot send a message to itself`);
  const answered = input.replyTo ? read.messages.need(input.replyTo) : null;
  if (answered && caller.agent !== null && answered.to !== from && answered.from !== from)
    throw new AppError('forbidden', `${answered.id} is not a message of ${from}`);
  const cause = checkMode(parts, to, input.mode, caller);
  return parts.store.commit((tx) => {
    const row = messageRow(parts, { ...input, from, to, kind: 'mail', cause, answered });
    const sent = tx.messages.insert(row, { actor: caller.actor });
    if (answered?.to === from) markReplied(tx, answered, caller);
    return sent;
  });
}

/** @returns what is said of a mode that the agent program cannot serve as it is. */
export function checkMode(parts: Parts, to: string, mode: Message['mode'], caller: Caller): string | null {
  if (mode === 'interrupt') needRight(parts, caller, 'interrupt');
  if (mode === 'next-turn' || to === 'person') return null;
  const { backend } = parts.store.read.agents.need(to);
  if (capabilitiesOf(parts, backend)?.[mode]) return null;
  if (mode === 'interrupt')
    throw new AppError('unsupported', `the backend ${backend} cannot interrupt a turn; accepted: next-turn`);
  return `the backend ${backend} cannot steer a turn: it goes with the next one`;
}

/** People may do everything; an agent what its role may. @throws AppError `forbidden` */
export function needRight(parts: Parts, caller: Caller, right: RoleRight): void {
  if (caller.agent === null) return;
  const [project = '', role = ''] = caller.agent.split('/');
  const path = parts.store.read.projects.list({ state: 'active' }).find((p) => p.name === project)?.path ?? null;
  if (parts.settingsFor(path).roles[role]?.may?.includes(right)) return;
  throw new AppError('forbidden', `the role ${role} may not ${right}; a person gives the right by roles.${role}.may`);
}

/** Tells an agent's or the person's inbox what became of their message. It wakes nobody, and nothing is told of a notice. */
export function tellSender(parts: Parts, tx: Transaction, message: Message, what: string): void {
  if (message.from === 'gantry') return;
  const text = `Your message ${message.id} to ${message.to} ${what}. It said: ${message.text.slice(0, 500)}`;
  const notice = { text, subject: undefined, mode: 'next-turn', ttlMs: undefined } as const;
  const row = messageRow(parts, {
    ...notice,
    from: 'gantry',
    to: message.from,
    kind: 'notice',
    cause: null,
    answered: message,
  });
  tx.messages.insert(row, { actor: 'gantry' });
}

/** Tells agents something that Gantry noticed. It wakes nobody: it goes with what they are told next. */
export function tellAgents(
  parts: Parts,
  tx: Transaction,
  agents: readonly string[],
  subject: string,
  text: string,
): void {
  const notice = { from: 'gantry', subject, text, mode: 'next-turn', ttlMs: undefined, kind: 'notice' } as const;
  for (const to of agents) {
    tx.messages.insert(messageRow(parts, { ...notice, to, cause: null, answered: null }), { actor: 'gantry' });
  }
}

export function messageRow(
  { clock }: Pick<Parts, 'clock'>,
  input: Post & {
    readonly from: string;
    readonly to: string;
    readonly kind: MessageKind;
    readonly cause: string | null;
    readonly answered: Message | null;
  },
): Message {
  const now = clock.now();
  const id = newId('mail', now);
  return {
    id,
    from: input.from,
    to: input.to,
    kind: input.kind,
    subject: input.subject ?? null,
    text: input.text,
    mode: input.mode,
    replyTo: input.answered?.id ?? null,
    thread: input.answered?.thread ?? id,
    state: input.to === 'person' ? 'delivered' : 'queued',
    cause: input.cause,
    promptId: null,
    expiresAt: input.ttlMs === undefined ? null : now + input.ttlMs,
    escalation: null,
    archivedAt: null,
    createdAt: now,
    updatedAt: now,
  };
}

function markReplied(tx: Transaction, { id }: Message, caller: Caller): void {
  const meta = { actor: caller.actor, cause: 'answered' };
  // In the turn that carried it: who answers has seen it.
  if (tx.messages.need(id).state === 'delivered') tx.messages.move(id, 'delivered', 'seen', {}, meta);
  if (tx.messages.need(id).state === 'seen') tx.messages.move(id, 'seen', 'replied', {}, meta);
}

/**
 * A message with its thread, oldest first. Read by the one it is to it counts as seen, and is not delivered again.
 * @throws AppError `forbidden` for an agent that it is neither to nor from
 */
export function readMessage(
  parts: Parts,
  id: MessageId,
  caller: Caller,
): { readonly message: ShownMessage; readonly thread: ShownMessage[] } {
  const reader = caller.agent ?? 'person';
  const before = ownMessage(parts, id, caller);
  // One that a stored prompt carries is on its way to its reader.
  const isUnread = before.state === 'delivered' || (before.state === 'queued' && before.promptId === null);
  if (before.to === reader && isUnread) {
    const meta = { actor: caller.actor, cause: 'read' };
    parts.store.commit((tx) => {
      if (before.state === 'queued') tx.messages.move(id, 'queued', 'delivered', {}, meta);
      tx.messages.move(id, 'delivered', 'seen', {}, meta);
    });
  }
  const { read } = parts.store;
  const thread = read.messages.list({ thread: before.thread });
  const isOwn = ({ from, to }: Message): boolean => caller.agent === null || from === reader || to === reader;
  return { message: shown(read, read.messages.need(id)), thread: thread.filter(isOwn).map((m) => shown(read, m)) };
}

export function archiveMessage(parts: Parts, id: MessageId, caller: Caller): Message {
  const message = ownMessage(parts, id, caller);
  if (message.archivedAt !== null) return message;
  const archivedAt = parts.clock.now();
  return parts.store.commit((tx) => tx.messages.update(id, { archivedAt }, { actor: caller.actor, cause: 'archived' }));
}

function ownMessage(parts: Parts, id: MessageId, { agent }: Caller): Message {
  const message = parts.store.read.messages.need(id);
  if (agent !== null && message.to !== agent && message.from !== agent)
    throw new AppError('forbidden', `${id} is not a message of ${agent}`);
  return message;
}

/** The inbox and outbox of one reader, newest first; an agent's token sees its own only. */
export function listMessages(parts: Parts, input: ParsedInputOf<'messages.list'>, caller: Caller): ShownMessage[] {
  const { read } = parts.store;
  const asked = input.agent === undefined || input.agent === 'person' ? input.agent : needAgent(read, input.agent).id;
  if (caller.agent !== null && asked !== undefined && asked !== caller.agent)
    throw new AppError('forbidden', `${caller.agent} reads its own messages only`);
  const whose = caller.agent ?? asked;
  const rows = read.messages.list({ ...(input.thread && { thread: input.thread }), order: 'desc', limit: 10_000 });
  return rows
    .filter((m) => (whose === undefined || m.to === whose || m.from === whose) && (input.all || m.archivedAt === null))
    .slice(0, input.limit)
    .map((m) => shown(read, m));
}
