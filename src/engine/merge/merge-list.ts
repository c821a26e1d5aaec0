import type { OutputOf, ParsedInputOf } from '../../contract/api.ts';
import type { Merge } from '../../contract/merge.ts';
import type { Parts } from '../parts.ts';
import { needProject } from '../projects.ts';
import { inLine, type Queued } from './merge-order.ts';

export type Line = { readonly key: string; readonly merges: readonly (Merge & Queued)[] };

/** The lines of all targets, each with the first in front. */
export function linesOf({ store, clock }: Parts): Line[] {
  const { read } = store;
  const queued = read.merges
    .list({ state: 'queued' })
    .map((merge) => ({ ...merge, requestCreatedAt: read.requests.need(merge.requestId).createdAt }));
  const lanes = Map.groupBy(queued, ({ projectId, target }) => `${projectId} ${target}`);
  return [...lanes].map(([key, merges]) => ({ key, merges: inLine(merges, clock.now()) }));
}

/** Merges, newest first, each with its place in line if it is in one: 1 is the next. */
export function listMerges(parts: Parts, input: ParsedInputOf<'merges.list'>): OutputOf<'merges.list'> {
  const projectId = input.project === undefined ? undefined : needProject(parts, input.project).id;
  const places = new Map(linesOf(parts).flatMap(({ merges }) => merges.map(({ id }, index) => [id, index + 1])));
  const filter = { ...(projectId && { projectId }), ...(input.state && { state: input.state }) };
  const after = input.cursor && { after: input.cursor };
  const merges = parts.store.read.merges.list({ ...filter, ...after, order: 'desc', limit: input.limit });
  const nextCursor = merges.length === input.limit ? (merges.at(-1)?.id ?? null) : null;
  return { items: merges.map((merge) => ({ ...merge, place: places.get(merge.id) ?? null })), nextCursor };
}
