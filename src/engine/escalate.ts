import type { ParsedInputOf } from '../contract/api.ts';
import type { Caller } from '../contract/caller.ts';
import type { Message } from '../contract/message.ts';
import type { Parts } from './parts.ts';
import { messageRow } from './post.ts';

/**
 * Tells those who coordinate that something blocks: the agents of the sender's project, and of the whole plane, whose role may
 * assign. The person is told too if it is high or critical, or if there is nobody else.
 */
export function escalate(parts: Parts, input: ParsedInputOf<'messages.escalate'>, caller: Caller): Message[] {
  const from = caller.agent ?? 'person';
  const leads = leadsFor(parts, from);
  const isForPerson = caller.agent !== null && (leads.length === 0 || PERSON_TOO.has(input.severity));
  const recipients = [...leads, ...(isForPerson || leads.length === 0 ? ['person'] : [])];
  const subject = `${input.severity}: ${input.subject ?? input.text.split('\n', 1)[0]?.slice(0, 100)}`;
  const common = { text: input.text, subject, mode: 'next-turn', ttlMs: undefined, from, kind: 'escalation' } as const;
  return parts.store.commit((tx) =>
    recipients.map((to) =>
      tx.messages.insert(messageRow(parts, { ...common, to, cause: null, answered: null }), { actor: caller.actor }),
    ),
  );
}

const PERSON_TOO: ReadonlySet<string> = new Set(['high', 'critical']);

function leadsFor({ store, settingsFor }: Parts, from: string): string[] {
  const { read } = store;
  const projectId = read.agents.get(from)?.projectId ?? null;
  const path = projectId === null ? null : read.projects.need(projectId).path;
  const { roles } = settingsFor(path);
  return read.agents
    .list({})
    .filter(({ id, role }) => id !== from && roles[role]?.may?.includes('assign'))
    .filter((agent) => from === 'person' || agent.projectId === null || agent.projectId === projectId)
    .map(({ id }) => id);
}
