import { AppError } from '../../contract/errors.ts';
import type { AgentAddress, BackendId } from '../../contract/ids.ts';
import type { Settings } from '../settings.ts';

/** What an agent of a role runs on, and what is to be said about how that was found. */
export type Placement = { readonly backend: BackendId; readonly model: string | null; readonly notice: string | null };

/**
 * The backend and model of a role: what was asked for wins, then the role's, then the default. A role's model belongs to its
 * backend: where another backend is asked for, that one's own model is used, and it is said.
 * @throws AppError `bad_request` for an unknown role, naming the known ones
 */
export function placementOf(
  settings: Pick<Settings, 'roles' | 'backends' | 'defaultBackend'>,
  role: string,
  asked: { readonly backend?: BackendId | null | undefined; readonly model?: string | null | undefined },
): Placement {
  const known = needRole(settings, role);
  const usual = known.backend ?? settings.defaultBackend;
  const backend = asked.backend ?? usual;
  const own = settings.backends[backend]?.model ?? null;
  if (asked.model) return { backend, model: asked.model, notice: null };
  if (backend === usual || known.model === undefined) return { backend, model: known.model ?? own, notice: null };
  const notice = `${known.model} is the model of ${role} on ${usual}; on ${backend} ${own ?? 'its own default'} is used`;
  return { backend, model: own, notice };
}

/** @throws AppError `bad_request` */
export function needRole({ roles }: Pick<Settings, 'roles'>, role: string): Settings['roles'][string] {
  const found = roles[role];
  if (found) return found;
  throw new AppError('bad_request', `no role ${role}; accepted: ${Object.keys(roles).join(', ')}`);
}

/** The one agent of a role that has only one, in its project or in the whole plane; null where there are many. */
export function onlyAgentOf({ roles }: Pick<Settings, 'roles'>, project: string, role: string): AgentAddress | null {
  const instances = roles[role]?.instances ?? 'many';
  if (instances === 'many') return null;
  return `${instances === 'plane' ? '-' : project}/${role}/-`;
}
