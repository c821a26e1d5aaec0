import type { Agent, Lent } from '../../contract/agent.ts';
import { AppError } from '../../contract/errors.ts';
import type { AgentAddress } from '../../contract/ids.ts';

/** In words, with what ends it. */
export const lentText = (id: AgentAddress, { to }: Lent): string =>
  `${to} has the conversation of ${id}; it goes on when the view is left (gantry agent attach ${id} shows it)`;

/** @throws AppError `conflict` if a person has its conversation */
export function refuseLent({ id, lent }: Agent): void {
  if (lent) throw new AppError('conflict', lentText(id, lent));
}
