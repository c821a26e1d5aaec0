import type { Events } from '../../engine/events.ts';
import type { FactSearch } from '../search.ts';
import type { RecentQuery } from './query.ts';

/** Positions that are asked of the index at once. */
const PAGE = 500;

/**
 * Events as JSON, oldest first: the next ones above `after`, else the last ones. What is filtered is found by the index,
 * and looked at one by one only where that has not come yet.
 * @throws AppError bad_request for words that say nothing, overloaded
 */
export async function recentEvents(
  { q, ...query }: RecentQuery,
  { events, search }: { readonly events: Events; readonly search: FactSearch },
): Promise<readonly string[]> {
  const order = query.after === undefined ? 'newest' : 'oldest';
  const among = { source: query.sources, session: query.sessions, type: query.types };
  const ask = (after: number | undefined, before: number | undefined) =>
    search.find({ q, among }, { after, before, order, limit: PAGE });
  let page = await ask(query.after, query.before);
  if (page === null) return inOrder(events.recent(query, order), order);
  // Words are found a moment after the event; a filter must miss nothing that was acknowledged.
  const rest = (found: readonly string[], after: number): string[] => {
    if (q !== undefined) return [];
    const from = Math.max(after, query.after ?? 0);
    return events.recent({ ...query, after: from, limit: query.limit - found.length }, order);
  };
  const found = order === 'newest' ? rest([], page.cursor) : [];
  let { cursor } = page;
  while (found.length < query.limit) {
    found.push(...events.pick(page.seqs, { ...query, limit: query.limit - found.length }));
    const last = page.seqs.at(-1);
    cursor = page.cursor;
    if (page.seqs.length < PAGE || last === undefined) break;
    page = await ask(order === 'newest' ? query.after : last, order === 'newest' ? last : query.before);
    if (page === null) break;
  }
  if (order === 'oldest' && found.length < query.limit) found.push(...rest(found, cursor));
  return inOrder(found, order);
}

const inOrder = (found: readonly string[], order: 'newest' | 'oldest'): readonly string[] =>
  order === 'newest' ? [...found].reverse() : found;
