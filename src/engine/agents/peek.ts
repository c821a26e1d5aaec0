import type { OutputOf, ParsedInputOf } from '../../contract/api.ts';
import type { Parts } from '../parts.ts';
import type { Queries } from '../queries.ts';
import { needAgent } from './addresses.ts';
import { rowOf } from './agent-rows.ts';

/** What an agent does now and said last, from the ledger and the journal: nothing is asked of it, and nothing counts as read. */
export function peek(parts: Parts, queries: Queries, input: ParsedInputOf<'agents.peek'>): OutputOf<'agents.peek'> {
  const { read } = parts.store;
  const agent = needAgent(read, input.agent);
  const sessionId = agent.sessionId ?? read.sessions.list({ agent: agent.id, order: 'desc', limit: 1 })[0]?.id ?? null;
  return {
    row: rowOf(parts, agent),
    sessionId,
    items: sessionId === null ? [] : queries.transcript(sessionId).slice(-input.limit),
    approvals: sessionId === null ? [] : read.approvals.list({ sessionId, state: 'pending' }),
    messages: read.messages.list({ to: agent.id, state: 'queued' }),
  };
}
