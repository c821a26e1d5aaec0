import { z } from 'zod';
import { AppError } from '../../contract/errors.ts';
import type { EventFilter, EventQuery } from '../../engine/observations/event-filter.ts';
import { parse, queryOf } from '../operations.ts';

const MAX_LIMIT = 1_000;
const DEFAULT_LIMIT = 300;

const whole = (what: string) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `expected ${what}`)
    .transform(Number);
const id = whole('an id: a whole number from 0 on');
const names = z
  .union([z.string().min(1), z.array(z.string().min(1)).max(50)])
  .transform((given) => (Array.isArray(given) ? given : [given]))
  .default([]);
/** A moment: milliseconds, or ISO 8601. */
const moment = z
  .string()
  .transform((text) => (/^\d{1,15}$/.test(text) ? Number(text) : Date.parse(text)))
  .refine((at) => Number.isFinite(at), 'expected milliseconds since 1970 or a time in ISO 8601');
const filter = {
  source_app: names,
  session_id: names,
  hook_event_type: names,
  project: names,
  task: names,
  agent: names,
};

const Recent = z
  .strictObject({
    q: z.string().min(1).max(1_000).optional(),
    limit: whole(`1 to ${MAX_LIMIT}`)
      .refine((limit) => limit >= 1, `expected 1 to ${MAX_LIMIT}`)
      .default(DEFAULT_LIMIT),
    since: id.optional(),
    before: id.optional(),
    from: moment.optional(),
    to: moment.optional(),
    ...filter,
  })
  .refine(({ since, before }) => since === undefined || before === undefined, 'either `since` or `before`, not both');
const Stream = z.strictObject({ since: id.optional(), ...filter });
const Wait = z.strictObject({ wait: whole('seconds, 0 to 60').pipe(z.number().max(60)).default(0) });

const given = (search: string): Record<string, string | string[]> => queryOf(new URLSearchParams(search));
const filterOf = (asked: z.output<typeof Stream>): EventFilter => ({
  sources: asked.source_app,
  sessions: asked.session_id,
  types: asked.hook_event_type,
  projects: asked.project,
  tasks: asked.task,
  agents: asked.agent,
});

/** Events that also hold the words: the next ones after a position, or the newest. */
export type RecentQuery = EventQuery & { readonly q: string | undefined; readonly order: 'newest' | 'oldest' };

/** The newest events of a filter. */
export const newestOf = (filter: EventFilter, limit: number): RecentQuery => ({
  ...filter,
  q: undefined,
  order: 'newest',
  limit,
  maxLength: Number.POSITIVE_INFINITY,
  after: 0,
  before: Number.MAX_SAFE_INTEGER,
  from: 0,
  to: Number.MAX_SAFE_INTEGER,
});

/** What `GET /events/recent` asks for; more than the most is the most. @throws AppError bad_request */
export function parseRecent(search: string): RecentQuery {
  const asked = parse(Recent, given(search));
  const { q, limit, since, before, from, to } = asked;
  const all = newestOf(filterOf(asked), Math.min(limit, MAX_LIMIT));
  return {
    ...all,
    q,
    order: since === undefined ? 'newest' : 'oldest',
    after: since ?? all.after,
    before: before ?? all.before,
    from: from ?? all.from,
    to: to ?? all.to,
  };
}

/** What a reader of `/stream` asks for. @throws AppError bad_request for a position that never was */
export function parseEventStream(
  search: string,
  lastEventId: string | undefined,
  head: number,
): { readonly since: number | null; readonly filter: EventFilter } {
  const asked = parse(Stream, lastEventId === undefined ? given(search) : { ...given(search), since: lastEventId });
  const since = asked.since ?? null;
  if (since !== null && since > head) {
    throw new AppError('bad_request', `since: there is no event ${since}, the newest position is ${head}`);
  }
  return { since, filter: filterOf(asked) };
}

/** ms to wait for an answer. @throws AppError bad_request */
export const parseWait = (search: string): number => parse(Wait, given(search)).wait * 1_000;
