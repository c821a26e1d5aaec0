import type { PersonView } from '../../backends/backend.ts';
import type { Agent } from '../../contract/agent.ts';
import type { OutputOf, ParsedInputOf } from '../../contract/api.ts';
import type { Caller } from '../../contract/caller.ts';
import { AppError } from '../../contract/errors.ts';
import type { Parts } from '../parts.ts';
import type { LiveSession } from '../sessions/session.ts';
import { needAgent } from './addresses.ts';
import type { LifeTools } from './life-tools.ts';
import { keepForPerson } from './warm-fit.ts';

/**
 * What a person runs to see an agent's live conversation and to speak in it: beside Gantry where its program can share one,
 * else alone, until they leave it.
 * @throws AppError `conflict` if it has no session now, or is in a turn that would be broken off; `unsupported` where its program
 * can do neither; those of the backend
 */
export async function attach(
  parts: Parts,
  tools: LifeTools,
  input: ParsedInputOf<'agents.attach'>,
  caller: Caller,
): Promise<OutputOf<'agents.attach'>> {
  const agent = needAgent(parts.store.read, input.agent);
  const { id } = agent;
  const known = agent.lent && (await tools.loans.view(id));
  if (known) return answer(parts, agent, known, true);
  keepForPerson(parts, agent, caller);
  const live = await liveOf(tools, agent);
  const { view, lend } = live;
  if (view === null && lend === null) throw unsupported(parts, agent);
  const text = `${caller.actor} was given a view of the conversation`;
  if (view !== null) {
    parts.store.commit((tx) => tx.record('notice', { level: 'info', text }, live.subject, caller.actor));
    return answer(parts, agent, view, false);
  }
  if (lend === null) throw unsupported(parts, agent);
  if (isInTurn(agent) && !input.isInterrupting)
    throw new AppError(
      'conflict',
      `${id} is in the middle of a turn, and ${agent.backend} cannot share its conversation: wait for its end, or break it off: gantry agent attach ${id} --interrupt`,
    );
  return answer(parts, agent, await tools.loans.lend(agent, live, lend, caller), true);
}

/** @throws AppError `conflict` */
async function liveOf(tools: LifeTools, { id, attemptId, state }: Agent): Promise<LiveSession> {
  const run = tools.standing.run(id);
  // One that let its program go while it was idle opens it again.
  if (attemptId === null) run?.call();
  const live = attemptId === null ? await run?.ready : tools.dispatcher.run(attemptId)?.live;
  if (state !== 'stopped' && live && !live.isEnded) return live;
  throw new AppError('conflict', `${id} has no session now: gantry agent start ${id}`);
}

/** A task is one turn after the other, and its checks. */
const isInTurn = ({ attemptId, standing }: Agent): boolean => attemptId !== null || (standing?.prompts.length ?? 0) > 0;

function unsupported(parts: Parts, { id, backend }: Agent): AppError {
  const able = [...parts.backends.values()].flatMap((one) => (one.capabilities.attach ? [one.id] : []));
  return new AppError(
    'unsupported',
    `the backend ${backend} cannot show a conversation to a person here; able: ${able.join(', ') || 'none that is configured'}. What the agent does is shown by: gantry agent peek ${id}`,
  );
}

function answer(parts: Parts, { id, sessionId }: Agent, view: PersonView, isAlone: boolean): OutputOf<'agents.attach'> {
  const { directory } = parts.store.read.sessions.need(sessionId ?? '');
  return { agent: id, command: [...view.command], env: { ...view.env }, directory, isAlone };
}
