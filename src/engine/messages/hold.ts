import type { Message, ShownMessage } from '../../contract/message.ts';
import { budgetAlert, holdOf } from '../../contract/message-hold.ts';
import type { Reader } from '../../store/store.ts';
import { openAlerts } from '../alerts.ts';

/** A message with the reason that holds it now. */
export function shown(read: Reader, message: Message): ShownMessage {
  const agent = message.state === 'queued' ? read.agents.get(message.to) : null;
  if (agent === null) return { ...message, held: null };
  const task = agent.taskId === null ? null : read.tasks.get(agent.taskId);
  const request = task === null ? null : read.requests.get(task.requestId);
  const session = agent.sessionId === null ? null : read.sessions.get(agent.sessionId);
  const [asked = null] =
    session === null ? [] : read.approvals.list({ sessionId: session.id, state: 'pending', limit: 1 });
  const budget = openAlerts(read)[budgetAlert(agent.id)] ?? null;
  return { ...message, held: holdOf(message, { agent, request, session, asked, budget }) };
}
