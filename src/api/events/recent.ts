import { setImmediate as turn } from 'node:timers/promises';
import { type EventQuery, Taken } from '../../engine/observations/event-filter.ts';
import type { Events } from '../../engine/observations/events.ts';
import type { FactSearch } from '../search.ts';
import type { RecentQuery } from './query.ts';

/** Positions that are asked of the index at once. */
const PAGE = 500;
/** Events that are looked at one by one before others have their turn: about 10 ms. */
const LOOKED_AT = 2_000;

type Range = Pick<EventQuery, 'after' | 'before'>;
type Reading = { readonly events: Events; readonly search: FactSearch };

/**
 * Events, oldest first: the next ones above `after`, else the last ones. What is filtered is found by the index, and looked
 * at one by one only where that has not come yet.
 * @throws AppError not_found for a project, bad_request for words that say nothing, overloaded
 */
export async function recentEvents(asked: RecentQuery, { events, search }: Reading): Promise<Taken['rows']> {
  const query = within({ ...asked, ...events.resolve(asked) }, events);
  const { order, after, before } = query;
  const isNewest = order === 'newest';
  const taken = new Taken(query);
  const look = async (low: number): Promise<void> => {
    let range: Range = { after: low, before };
    while (!taken.isFull) {
      const last = events.scan(taken, range, order, LOOKED_AT);
      if (last === null) return;
      range = isNewest ? { after: low, before: last } : { after: last, before };
      await turn();
    }
  };
  // Words are found a moment after the event; a filter must miss nothing that was acknowledged.
  const lookBeyond = async (cursor: number): Promise<void> => {
    if (query.q === undefined) await look(Math.max(after, cursor));
  };
  const ask = (range: Range) => search.find({ q: query.q, among: amongOf(query) }, { ...range, order, limit: PAGE });
  // A short range is looked through faster than the index finds a name that many have.
  const isShort = query.q === undefined && before - after <= LOOKED_AT;
  let page = isShort ? null : await ask({ after, before });
  if (page === null) await look(after);
  else if (isNewest) await lookBeyond(page.cursor);
  let cursor: number | null = null;
  while (page !== null) {
    events.pick(taken, page.seqs);
    cursor = page.cursor;
    const last = page.seqs.at(-1);
    if (taken.isFull || page.seqs.length < PAGE || last === undefined) break;
    page = await ask(isNewest ? { after, before: last } : { after: last, before });
  }
  if (cursor !== null && !isNewest) await lookBeyond(cursor);
  return isNewest ? taken.rows.reverse() : taken.rows;
}

const amongOf = ({ sources, sessions, types, projects, tasks, agents }: RecentQuery) => ({
  source: sources,
  session: sessions,
  type: types,
  project: projects,
  task: tasks,
  agent: agents,
});

/** With the time of receipt as positions. */
function within(query: RecentQuery, events: Events): RecentQuery {
  if (query.from <= 0 && query.to === Number.MAX_SAFE_INTEGER) return query;
  const { after, before } = events.between(query.from, query.to);
  return { ...query, after: Math.max(after, query.after), before: Math.min(before, query.before) };
}
