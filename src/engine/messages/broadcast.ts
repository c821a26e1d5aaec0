import type { Agent } from '../../contract/agent.ts';
import type { ParsedInputOf } from '../../contract/api.ts';
import type { Caller } from '../../contract/caller.ts';
import { AppError } from '../../contract/errors.ts';
import type { Receipt } from '../../contract/message-operations.ts';
import { isWarm } from '../agents/warm-fit.ts';
import type { Parts } from '../parts.ts';
import { needProject } from '../projects.ts';
import { shown } from './hold.ts';
import { checkMode, messageRow, needRight } from './post.ts';

/** One durable message and one receipt for every agent that is meant; the sender gets none. All or none is queued. */
export function broadcast(parts: Parts, input: ParsedInputOf<'messages.broadcast'>, caller: Caller): Receipt[] {
  needRight(parts, caller, 'broadcast');
  const from = caller.agent ?? 'person';
  const wanted = recipients(parts, input).filter(({ id }) => id !== from);
  const checked = wanted.map(({ id }) => ({ to: id, ...modeOf(parts, id, input.mode, caller) }));
  if (input.isDryRun) {
    return checked.map(({ to, isRefused, cause }) => {
      return { to, messageId: null, state: isRefused ? 'refused' : 'would-send', cause };
    });
  }
  return parts.store.commit((tx) =>
    checked.map(({ to, isRefused, cause }): Receipt => {
      const row = messageRow(parts, { ...input, from, to, kind: 'broadcast', cause, answered: null });
      const meta = { actor: caller.actor };
      const made = tx.messages.insert(row, meta);
      const sent = isRefused ? tx.messages.move(made.id, 'queued', 'refused', { cause }, meta) : made;
      return { to, messageId: sent.id, state: sent.state, cause: sent.cause ?? shown(tx, sent).held };
    }),
  );
}

function recipients(parts: Parts, input: ParsedInputOf<'messages.broadcast'>): Agent[] {
  const { read } = parts.store;
  const project = input.project === undefined ? null : needProject(parts, input.project);
  const { role, isLiveOnly } = input;
  return read.agents
    .list({ ...(project && { projectId: project.id }), ...(role !== undefined && { role }) })
    .filter(
      // Those that stand ready have no part in the work yet.
      (agent) => !isWarm(agent),
    )
    .filter(
      ({ sessionId }) => !isLiveOnly || (sessionId !== null && read.sessions.get(sessionId)?.state === 'running'),
    );
}

/** A mode that one agent's program cannot serve is that receipt's failure, not the broadcast's. */
function modeOf(
  parts: Parts,
  to: string,
  mode: ParsedInputOf<'messages.broadcast'>['mode'],
  caller: Caller,
): { readonly isRefused: boolean; readonly cause: string | null } {
  try {
    return { isRefused: false, cause: checkMode(parts, to, mode, caller) };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'unsupported') throw error;
    return { isRefused: true, cause: error.message };
  }
}
