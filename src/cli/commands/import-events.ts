import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import type { Client } from '../../client/client.ts';
import { type OldEvent, OldEvents } from '../../history/old-events.ts';
import { argument, defineCommand, flag } from '../command.ts';
import { oneLine } from '../text.ts';

const BATCH = 500;
/** Refused rows that are named; all are counted. */
const MAX_NAMED = 20;

/** What an imported event says of its origin, beside what it said itself. */
const ImportedFrom = z.object({ imported_from: z.object({ file: z.string(), id: z.int() }) });

type Refused = { readonly id: number; readonly reason: string };

export const events = defineCommand({
  arguments: { file: argument('file', "the hooks observability server's events.db; it may go on running") },
  options: { isDryRun: flag('--dry-run', 'say how many there are; import nothing') },
  details: [
    'Each event is imported once, however often the file is imported; its secrets are masked. Questions come as events of the past: nobody is asked again. An event that is damaged is named by its id, and the others are imported.',
  ],
  run: async (context, args) => {
    const { output, directory } = context;
    const file = isAbsolute(args.file) ? args.file : resolve(directory, args.file);
    const old = new OldEvents(file);
    const name = old.identity();
    const client = await context.client();
    const before = name === null ? 0 : await lastImported(client, name);
    const waiting = old.count(before);
    if (waiting > BATCH && !args.isDryRun) output.note(`importing ${waiting.toLocaleString('en-US')} events`);
    let accepted = 0;
    const refused: Refused[] = [];
    for (let id = before; !args.isDryRun; ) {
      const rows = old.after(id, BATCH);
      const last = rows.at(-1);
      if (!last) break;
      const done = await take(client, `${name}`, rows);
      accepted += done.accepted;
      refused.push(...done.refused);
      id = last.id;
    }
    output.result({ file, waiting, accepted, refused: refused.length, named: refused.slice(0, MAX_NAMED) }, () => [
      args.isDryRun ? `${waiting} to be imported` : `${accepted} imported`,
      ...(refused.length > 0 ? [output.paint('yellow', `${refused.length} refused:`)] : []),
      ...refused.slice(0, MAX_NAMED).map(({ id, reason }) => `  ${id}: ${oneLine(reason)}`),
      ...(refused.length > MAX_NAMED ? [`  and ${refused.length - MAX_NAMED} more`] : []),
    ]);
  },
});

/** The id of the last event of that file that is here already, 0 if there is none. */
async function lastImported({ call }: Client, file: string): Promise<number> {
  const { seq } = await call('status', {});
  for (;;) {
    const { items, indexedTo } = await call('facts.search', { q: file, kind: ['observed'], limit: 1 });
    const found = items[0]?.fact;
    // The index follows what is recorded; each question takes it further.
    if (indexedTo >= seq) return ImportedFrom.safeParse(found?.data).data?.imported_from.id ?? 0;
  }
}

async function take(
  { observe }: Client,
  file: string,
  rows: readonly OldEvent[],
): Promise<{ readonly accepted: number; readonly refused: readonly Refused[] }> {
  const good = rows.flatMap((row) => ('event' in row ? [row] : []));
  const { accepted, rejected } = await observe(
    good.map(({ id, event }) => ({ ...event, event_id: `${file} ${id}`, imported_from: { file, id } })),
  );
  const refused = [
    ...rows.flatMap((row) => ('problem' in row ? [{ id: row.id, reason: row.problem }] : [])),
    ...rejected.flatMap(({ index, detail }) => {
      const row = good[index];
      return row ? [{ id: row.id, reason: detail }] : [];
    }),
  ];
  return { accepted, refused: refused.sort((a, b) => a.id - b.id) };
}
