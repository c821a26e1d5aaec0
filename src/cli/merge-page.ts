import type { Client } from '../client/client.ts';
import type { OutputOf } from '../contract/api.ts';
import { AppError } from '../contract/errors.ts';
import type { MergeId } from '../contract/ids.ts';
import { fieldLines } from './fields.ts';
import type { Page } from './result.ts';
import { oneLine, safeText } from './text.ts';

type Step = { readonly at: number; readonly from: string | null; readonly to: string; readonly cause: string | null };
/** A merge with its place in line, and what became of it, oldest first. */
export type MergeDocument = OutputOf<'merges.list'>['items'][number] & { readonly story: readonly Step[] };

/** @throws AppError `not_found` */
export async function mergeDocument(client: Client, id: MergeId): Promise<MergeDocument> {
  let cursor: string | undefined;
  for (;;) {
    const { items, nextCursor } = await client.call('merges.list', {
      limit: 200,
      ...(cursor !== undefined && { cursor }),
    });
    const found = items.find((merge) => merge.id === id);
    if (found) return { ...found, story: await storyOf(client, found) };
    if (nextCursor === null) throw new AppError('not_found', `there is no merge ${id}`);
    cursor = nextCursor;
  }
}

async function storyOf(
  client: Client,
  { id, requestId }: Pick<MergeDocument, 'id' | 'requestId'>,
): Promise<readonly Step[]> {
  const { items } = await client.call('facts.list', { kind: 'merge.changed', requestId, since: 0, limit: 1000 });
  return items.flatMap(({ at, kind, data }): Step[] =>
    kind === 'merge.changed' && data.row.id === id ? [{ at, from: data.from, to: data.to, cause: data.cause }] : [],
  );
}

/** For a person: everything that is known of it. */
export function mergePage(merge: MergeDocument, page: Page): string[] {
  const { gate, paint } = { gate: merge.gate, paint: page.paint };
  const resolved = merge.repairId === null ? null : `${merge.repairId} (gantry show ${merge.repairId})`;
  const reviews = merge.reviews.map(
    ({ by, verdict, text }) => `${by}: ${verdict}${text === '' ? '' : `, ${oneLine(text)}`}`,
  );
  return [
    ...fieldLines(
      [
        ['id', merge.id],
        ['request', merge.requestId],
        ['state', `${merge.state}${merge.cause === null ? '' : ` (${oneLine(merge.cause)})`}`],
        ['place', merge.place === null ? null : `${merge.place} in line for ${merge.target}`],
        ['branch', `${merge.branch} at ${merge.head.slice(0, 12)}`],
        ['target', `${merge.target}${merge.commit === null ? '' : `, merged as ${merge.commit.slice(0, 12)}`}`],
        ['authors', merge.authors.join(', ')],
        ['retries', merge.retries === 0 ? null : String(merge.retries)],
        ['conflicts', merge.conflicts.map(oneLine).join(', ')],
        ['resolved by', resolved],
        ['reviews', reviews.join('; ')],
        ['until', merge.reviewUntil === null ? null : new Date(merge.reviewUntil).toISOString()],
      ],
      page,
    ),
    ...(gate === null
      ? []
      : [
          '',
          paint('bold', `gate ${oneLine(gate.name)}: ${oneLine(gate.command)} (exit code ${gate.exitCode ?? 'none'})`),
          ...safeText(gate.output)
            .trimEnd()
            .split('\n')
            .map((line) => `  ${line}`),
        ]),
    '',
    ...merge.story.map(({ at, from, to, cause }) => {
      const move = from === null || from === to ? to : `${from} → ${to}`;
      return `${paint('dim', new Date(at).toISOString())} ${move}${cause === null ? '' : `: ${oneLine(cause)}`}`;
    }),
  ];
}
