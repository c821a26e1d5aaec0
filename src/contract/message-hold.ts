import type { Agent } from './agent.ts';
import type { Approval } from './approval.ts';
import type { Message } from './message.ts';
import type { Session } from './session.ts';

/** The rows of a receiver: `asked` is a question of its session that nobody has answered. */
export type Receiver = {
  readonly agent: Agent;
  readonly session: Session | null;
  readonly asked: Approval | null;
};

/** Why a message has not been given to its receiver yet; null: it has, or nothing that the rows say holds it. */
export function holdOf({ state, kind, mode, cause }: Message, { agent, session, asked }: Receiver): string | null {
  if (state !== 'queued') return null;
  if (agent.lent !== null) return 'a person has the conversation: it is given when they leave that';
  if (agent.state === 'stopped') return `the agent is stopped: gantry agent start ${agent.id}`;
  if (asked !== null) return `the agent waits for an answer to ${asked.id}, and is told nothing before that`;
  if (session?.state !== 'running') return 'the agent has no session that runs: it goes with the next one';
  const isInTurn = session.activity !== 'idle' && session.activity !== 'unknown';
  // A mode that cannot be had is that of the cause.
  if (isInTurn && (mode === 'next-turn' || cause !== null)) return 'the agent is in a turn: it goes with the next one';
  return kind === 'notice' ? 'it wakes nobody: it goes with what the agent is told next' : null;
}
