import type { Agent } from './agent.ts';
import type { Approval } from './approval.ts';
import type { Message } from './message.ts';
import type { Request } from './request.ts';
import type { Session } from './session.ts';

/** Names the alert that an agent without a task takes no message, for want of room in a budget. */
export const budgetAlert = (agent: string): string => `budget:${agent}`;

/**
 * The rows of a receiver: `request` is what it works on, `asked` a question of its session that nobody has answered, `budget`
 * the words of the open alert about its budget.
 */
export type Receiver = {
  readonly agent: Agent;
  readonly request: Request | null;
  readonly session: Session | null;
  readonly asked: Approval | null;
  readonly budget: string | null;
};

/** Why a message has not been given to its receiver yet; null: it has, or nothing that the rows say holds it. */
export function holdOf({ state, kind, mode, cause }: Message, receiver: Receiver): string | null {
  const { agent, request, session, asked, budget } = receiver;
  if (state !== 'queued') return null;
  if (agent.lent !== null) return 'a person has the conversation: it is given when they leave that';
  if (agent.state === 'stopped') return `the agent is stopped: gantry agent start ${agent.id}`;
  if (request?.state === 'paused') return `its request is paused: gantry resume ${request.id}`;
  if (asked !== null) return `the agent waits for an answer to ${asked.id}, and is told nothing before that`;
  if (budget !== null) return budget;
  if (session?.state !== 'running') return 'the agent has no session that runs: it goes with the next one';
  const isInTurn = session.activity !== 'idle' && session.activity !== 'unknown';
  // A mode that cannot be had is that of the cause.
  if (isInTurn && (mode === 'next-turn' || cause !== null)) return 'the agent is in a turn: it goes with the next one';
  return kind === 'notice' ? 'it wakes nobody: it goes with what the agent is told next' : null;
}
