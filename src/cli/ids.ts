import { AppError } from '../contract/errors.ts';

const KINDS = {
  prj: 'project',
  req: 'request',
  tsk: 'task',
  att: 'attempt',
  sess: 'session',
  apr: 'approval',
  mail: 'message',
  mrg: 'merge',
} as const;
export type IdPrefix = keyof typeof KINDS;

/**
 * An id as it was typed, checked by its prefix.
 * @throws AppError not_found for what is no id, usage for the id of something else
 */
export function idOf<P extends IdPrefix>(given: string, accepted: readonly P[]): `${P}_${string}` {
  const prefix = prefixOf(given);
  const found = accepted.find((candidate) => candidate === prefix);
  if (found !== undefined) return given as `${P}_${string}`;
  const forms = accepted.map((candidate) => `${candidate}_… (${KINDS[candidate]})`);
  if (prefix === null) throw new AppError('not_found', `there is no "${given}"`, { details: { accepted: forms } });
  throw new AppError('usage', `${given} is the id of ${/^[aeiou]/.test(KINDS[prefix]) ? 'an' : 'a'} ${KINDS[prefix]}`, {
    details: { accepted: forms },
  });
}

/** What an id is the id of; null for what is no id. */
export function prefixOf(given: string): IdPrefix | null {
  const prefix = /^([a-z]+)_[0-9a-z]{6,40}$/.exec(given)?.[1];
  return prefix !== undefined && Object.hasOwn(KINDS, prefix) ? (prefix as IdPrefix) : null;
}
