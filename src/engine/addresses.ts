import type { Agent } from '../contract/agent.ts';
import { AppError } from '../contract/errors.ts';
import type { Reader } from '../store/store.ts';

/**
 * An agent by its address, or by a short form that fits one: its name, `project/name`, `role/name`, `project/role`, `role`.
 * @throws AppError `not_found`, `conflict` for a form that fits several, naming them
 */
export function needAgent(read: Pick<Reader, 'agents'>, given: string): Agent {
  const exact = read.agents.get(given);
  if (exact) return exact;
  const all = read.agents.list({});
  const byName = all.filter((agent) => formsOf(agent).includes(given));
  // A role's own name is used only where no agent is called so: several workers share a role.
  const found =
    byName.length > 0
      ? byName
      : all.filter(({ id, role }) => given === role || given === id.slice(0, id.lastIndexOf('/')));
  const [first, ...more] = found;
  if (first && more.length === 0) return first;
  const known = (found.length > 0 ? found : all).map(({ id }) => id);
  if (first)
    throw new AppError('conflict', `${given} fits several agents: ${known.join(', ')}`, {
      details: { accepted: known },
    });
  throw new AppError('not_found', `no agent ${given}; known: ${known.slice(0, 20).join(', ') || 'none'}`);
}

function formsOf({ id, role, name }: Agent): string[] {
  const [project] = id.split('/');
  return [name, `${project}/${name}`, `${role}/${name}`];
}
