import type { OutputOf } from '../../src/contract/api.ts';
import { AppError } from '../../src/contract/errors.ts';
import type { Fact } from '../../src/contract/fact.ts';
import { type FactFilter, matches } from './fact-filter.ts';
import { isShown } from './recent-facts.ts';
import type { Store } from './store.ts';

export const PAGE = 1_000;

/** What the daemon is asked for by a filter. */
export function queryOf({ kind, outside: _, ...subject }: FactFilter): object {
  return { ...subject, ...(kind.length > 0 && { kind: [...kind] }), class: ['state', 'observation'] };
}

export const wantedOf = (facts: readonly Fact[], filter: FactFilter): Fact[] =>
  facts.filter((fact) => isShown(fact) && matches(fact, filter));

/** The page after a position. Where the journal was pruned it begins later. */
export async function pageAfter(
  { client }: Pick<Store, 'client'>,
  query: object,
  since: number,
  limit = PAGE,
): Promise<OutputOf<'facts.list'>> {
  try {
    return await client.call('facts.list', { ...query, since, limit });
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'gone')) throw error;
    return client.call('facts.list', { ...query, since: Number(error.details?.prunedTo), limit });
  }
}
