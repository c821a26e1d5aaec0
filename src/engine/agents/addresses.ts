import type { Agent } from '../../contract/agent.ts';
import { AppError } from '../../contract/errors.ts';
import { AgentAddress } from '../../contract/ids.ts';
import type { Reader } from '../../store/store.ts';
import type { Settings } from '../settings.ts';

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

/** Who is meant by a form that may name a new agent. `project` and `role` are null where the form does not say. */
export type NewAgent =
  | { readonly known: Agent; readonly isOfPlane: false }
  | { readonly known: null; readonly isOfPlane: true; readonly role: string; readonly name: '-' }
  | {
      readonly known: null;
      readonly isOfPlane: false;
      readonly project: string | null;
      readonly role: string | null;
      readonly name: string;
    };

/**
 * An agent by its address or short form, a role that has only one agent, or the name of one that is still to be made.
 * @throws AppError `conflict` for a form that fits several; `bad_request` for what is no name
 */
export function needNewAgent(
  read: Pick<Reader, 'agents'>,
  { roles }: Pick<Settings, 'roles'>,
  asked: { readonly agent: string; readonly role?: string | undefined; readonly project?: string | undefined },
): NewAgent {
  const known = knownAgent(read, asked);
  if (known) return { known, isOfPlane: false };
  const [project, given, name] = AgentAddress.safeParse(asked.agent).success ? asked.agent.split('/') : [];
  const role = given ?? asked.role ?? (roles[asked.agent]?.instances ? asked.agent : null);
  if (role !== null && roles[role]?.instances === 'plane') return { known: null, isOfPlane: true, role, name: '-' };
  const ownName = name ?? asked.agent;
  if (!/^(?!\.+$)[\w.-]{1,40}$/.test(ownName))
    throw new AppError('bad_request', `${asked.agent} is neither an address project/role/name nor a name`);
  return { known: null, isOfPlane: false, project: project ?? null, role, name: ownName };
}

function knownAgent(
  read: Pick<Reader, 'agents'>,
  asked: { agent: string; project?: string | undefined },
): Agent | null {
  const form =
    asked.project === undefined || asked.agent.includes('/') ? asked.agent : `${asked.project}/${asked.agent}`;
  try {
    return needAgent(read, form);
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return null;
    throw error;
  }
}
