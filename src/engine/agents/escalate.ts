import type { ParsedInputOf } from '../../contract/api.ts';
import type { Caller } from '../../contract/caller.ts';
import { type Escalation, type Message, Severity } from '../../contract/message.ts';
import type { Reader, Transaction } from '../../store/store.ts';
import { messageRow } from '../messages/post.ts';
import type { Parts } from '../parts.ts';
import { settingsOrUsual } from '../settings.ts';

/** How long one may go without an answer before it is raised, and how often that is done. */
const RAISE_AFTER_MS = 4 * 3_600_000;
const MOST_RAISES = 2;
/** Among so many of the newest are those that wait: one does so for half a day at most. */
const MAX_WAITING = 500;

const PERSON_TOO: ReadonlySet<Severity> = new Set(['high', 'critical']);

type Needed = Pick<Parts, 'store' | 'clock' | 'settingsFor'>;
type Words = Pick<Message, 'from' | 'text'> & { readonly subject: string };

/**
 * Tells those who coordinate that something blocks: the agents of the sender's project, and of the whole plane, whose role may
 * assign. The person is told too if it is high or critical, or if there is nobody else. It is one thread, and is raised if
 * nobody in it answers.
 */
export function escalate(parts: Needed, input: ParsedInputOf<'messages.escalate'>, caller: Caller): Message[] {
  const { text, severity } = input;
  const subject = input.subject ?? text.split('\n', 1)[0]?.slice(0, 100) ?? '';
  const words = { from: caller.agent ?? 'person', subject, text };
  return parts.store.commit((tx) =>
    tell(parts, tx, words, { severity, raises: 0 }, { thread: null, cause: null, actor: caller.actor }),
  );
}

/** Raises what has waited too long by one severity and tells everybody whom that concerns. @returns when the next one is due */
export function raiseEscalations(parts: Needed): number | null {
  const { store, clock } = parts;
  for (const head of waiting(store.read)) {
    if (head.escalation.raiseAt <= clock.now()) store.commit((tx) => raise(parts, tx, head));
  }
  const due = waiting(store.read).map(({ escalation }) => escalation.raiseAt);
  return due.length === 0 ? null : Math.min(...due);
}

type Waiting = Message & { readonly escalation: Escalation & { readonly raiseAt: number } };

const waiting = (read: Reader): Waiting[] =>
  read.messages
    .list({ kind: 'escalation', order: 'desc', limit: MAX_WAITING })
    .filter((message): message is Waiting => message.escalation?.raiseAt != null);

function raise(parts: Needed, tx: Transaction, head: Waiting): void {
  const thread = tx.messages.list({ thread: head.thread });
  const { severity, raises } = head.escalation;
  tx.messages.update(head.id, { escalation: { ...head.escalation, raiseAt: null } }, { actor: 'gantry' });
  if (thread.some(isAcknowledged)) return;
  const order = Severity.options;
  const higher = order[Math.min(order.indexOf(severity) + 1, order.length - 1)] ?? severity;
  const subject = head.subject?.slice(severity.length + 2) ?? '';
  const cause = `nobody has answered ${head.id} for ${RAISE_AFTER_MS / 3_600_000} h`;
  tell(
    parts,
    tx,
    { ...head, subject },
    { severity: higher, raises: raises + 1 },
    { thread: head.thread, cause, actor: 'gantry' },
  );
}

/** Answered, or put away by somebody who was told. */
const isAcknowledged = ({ kind, state, archivedAt }: Message): boolean =>
  kind === 'mail' || state === 'replied' || archivedAt !== null;

/** The first of the messages is the one that waits for an answer to any of them. */
function tell(
  parts: Needed,
  tx: Transaction,
  { from, subject, text }: Words,
  { severity, raises }: Pick<Escalation, 'severity' | 'raises'>,
  {
    thread: known,
    cause,
    actor,
  }: Pick<Message, 'cause'> & {
    /** Null: it begins one. */
    readonly thread: Message['thread'] | null;
    readonly actor: string;
  },
): Message[] {
  const raiseAt = raises < MOST_RAISES ? parts.clock.now() + RAISE_AFTER_MS : null;
  const mail = { from, text, subject: `${severity}: ${subject}`, mode: 'next-turn', ttlMs: undefined } as const;
  const told: Message[] = [];
  for (const to of recipients(parts, from, severity)) {
    const row = messageRow(parts, { ...mail, to, kind: 'escalation', cause, answered: null });
    const thread = known ?? told[0]?.thread ?? row.thread;
    const escalation = { severity, raises, raiseAt: told.length === 0 ? raiseAt : null };
    told.push(tx.messages.insert({ ...row, thread, escalation }, { actor }));
  }
  return told;
}

function recipients(parts: Needed, from: string, severity: Severity): string[] {
  const leads = leadsFor(parts, from);
  const isForPerson = leads.length === 0 || (from !== 'person' && PERSON_TOO.has(severity));
  return isForPerson ? [...leads, 'person'] : leads;
}

function leadsFor({ store, settingsFor }: Needed, from: string): string[] {
  const { read } = store;
  const projectId = read.agents.get(from)?.projectId ?? null;
  const path = projectId === null ? null : read.projects.need(projectId).path;
  const { roles } = settingsOrUsual(settingsFor, path);
  return read.agents
    .list({})
    .filter(({ id, role }) => id !== from && roles[role]?.may?.includes('assign'))
    .filter((agent) => from === 'person' || agent.projectId === null || agent.projectId === projectId)
    .map(({ id }) => id);
}
