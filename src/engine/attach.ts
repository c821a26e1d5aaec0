import type { OutputOf, ParsedInputOf } from '../contract/api.ts';
import type { Caller } from '../contract/caller.ts';
import { AppError } from '../contract/errors.ts';
import { needAgent } from './addresses.ts';
import type { LifeTools } from './life-tools.ts';
import type { Parts } from './parts.ts';

/**
 * What a person runs to join an agent's live conversation beside Gantry.
 * @throws AppError `conflict` if it has no session now, `unsupported` where its program cannot share one
 */
export function attach(
  parts: Parts,
  tools: LifeTools,
  input: ParsedInputOf<'agents.attach'>,
  caller: Caller,
): OutputOf<'agents.attach'> {
  const { id, backend, attemptId } = needAgent(parts.store.read, input.agent);
  const live = attemptId === null ? tools.standing.run(id)?.live : tools.dispatcher.run(attemptId)?.live;
  if (!live || live.isEnded) throw new AppError('conflict', `${id} has no session now: gantry agent start ${id}`);
  const { view } = live;
  if (view === null) {
    const able = [...parts.backends.values()].flatMap((one) => (one.capabilities.attach ? [one.id] : []));
    throw new AppError(
      'unsupported',
      `the backend ${backend} cannot share a conversation with a person; able: ${able.join(', ') || 'none that is configured'}. What the agent does is shown by: gantry agent peek ${id}`,
    );
  }
  const text = `${caller.actor} was given a view of the conversation`;
  parts.store.commit((tx) => tx.record('notice', { level: 'info', text }, live.subject, caller.actor));
  const { directory } = parts.store.read.sessions.need(live.id);
  return { agent: id, command: [...view.command], env: { ...view.env }, directory };
}
