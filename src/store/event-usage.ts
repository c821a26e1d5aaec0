import { addUsage, Usage } from '../contract/usage.ts';
import type { Connection } from './connection.ts';

/** What an event says was used. */
export type EventUsage = { readonly model: string | null; readonly usage: Usage };

/** What one session of an outside program used on one day. */
export type EventUsageRow = EventUsage & {
  /** ms, of the first of it. */
  readonly at: number;
  readonly source: string;
};

const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** Inside of the transaction that writes the event. */
export function keepUsage(
  connection: Connection,
  { at, source, session }: { readonly at: number; readonly source: string; readonly session: string },
  { model, usage }: EventUsage,
): void {
  const key = [dayOf(at), source, session, model ?? ''] as const;
  const sql = 'SELECT usage FROM event_usage WHERE day = ? AND source = ? AND session = ? AND model = ?';
  const before = connection.get(sql, ...key);
  const sum = before ? addUsage(usageIn(before.usage), usage) : usage;
  connection.run(
    `INSERT INTO event_usage (day, source, session, model, at, usage) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET usage = excluded.usage`,
    ...key,
    at,
    JSON.stringify(sum),
  );
}

/** Inside of a transaction: what is known of a session takes the place of what was known before. */
export function replaceUsage(
  connection: Connection,
  { source, session }: { readonly source: string; readonly session: string },
  days: readonly (EventUsage & { readonly at: number })[],
): void {
  connection.run('DELETE FROM event_usage WHERE session = ?', session);
  for (const { at, ...used } of days) keepUsage(connection, { at, source, session }, used);
}

/** Of the day of `since`, ms, and those after it. It stays when the events themselves are removed. */
export const readUsage = (connection: Connection, since: number): EventUsageRow[] =>
  connection
    .all('SELECT source, model, at, usage FROM event_usage WHERE day >= ? ORDER BY day', dayOf(since))
    .map(({ source, model, at, usage }) => ({
      source: String(source),
      model: model === '' ? null : String(model),
      at: Number(at),
      usage: usageIn(usage),
    }));

const usageIn = (json: unknown): Usage => Usage.parse(JSON.parse(String(json)));
