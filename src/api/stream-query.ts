import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { FACT_KINDS, FactClass, type FactFilter, type FactKind, FactSubject } from '../contract/fact.ts';
import { parse, queryOf } from './operations.ts';

/** Where a reader stands, null = from now on, and what it wants. */
export type StreamQuery = { readonly since: number | null; readonly filter: FactFilter };

const Position = z
  .string()
  .regex(/^\d{1,15}$/, 'a position: a whole number from 0 on')
  .transform(Number);
const listOf = <T extends z.ZodType<unknown, string>>(item: T) =>
  z
    .string()
    .transform((list) => list.split(',').filter((part) => part !== ''))
    .pipe(z.array(item));
const subject = <T extends z.ZodType>(id: z.ZodNullable<T>) => id.unwrap().optional();
const { shape } = FactSubject;

const Query = z.strictObject({
  since: Position.optional(),
  kinds: listOf(z.enum(FACT_KINDS as [FactKind, ...FactKind[]])).optional(),
  classes: listOf(FactClass).optional(),
  actors: listOf(z.string()).optional(),
  sources: listOf(z.string()).optional(),
  projectId: subject(shape.projectId),
  requestId: subject(shape.requestId),
  taskId: subject(shape.taskId),
  attemptId: subject(shape.attemptId),
  sessionId: subject(shape.sessionId),
  agent: subject(shape.agent),
});

/** What a reader asks for. A `Last-Event-ID` is where it stands: it wins. @throws AppError bad_request */
export function parseStreamQuery(incoming: IncomingMessage): StreamQuery {
  const given = queryOf(new URLSearchParams(/\?.*$/.exec(incoming.url ?? '')?.[0]));
  const last = incoming.headers['last-event-id'];
  const { since = null, ...filter } = parse(Query, last === undefined ? given : { ...given, since: last });
  return { since, filter: present(filter) };
}

/** Only what is given: the journal's filter has no undefined in it. */
export const present = <T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;
