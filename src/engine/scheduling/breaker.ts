import { z } from 'zod';
import type { Failure } from '../../contract/failure.ts';
import { BackendId } from '../../contract/ids.ts';
import type { Reader, Transaction } from '../../store/store.ts';
import type { Parts } from '../parts.ts';

const KEY = 'backend.blocks';
/** A backend to which nothing is given for a while. `failures` in a row make the while longer. */
const Block = z.object({
  until: z.number(),
  cause: z.string(),
  failures: z.number(),
  /** Of a node that is expected back: its work is held, and given to nobody else. */
  isPassing: z.boolean().optional(),
});
type Block = z.infer<typeof Block>;
const Blocks = z.record(BackendId, Block);

/** A node that is away is looked for again after it, where work waits by the clock. */
const AWAY_MS = 30_000;
const FIRST_MS = 15_000;
/** Failures in a row before nothing more is given to it, where no role says what else to do. */
export const USUAL_FAILURES = 3;
const LONGEST_MS = 300_000;

/** Backends that failed since they last started, blocked or not. */
export const blocksOf = (read: Pick<Reader, 'meta'>): Readonly<Record<BackendId, Block>> =>
  Blocks.parse(JSON.parse(read.meta.get(KEY) ?? '{}'));

/** The backends that nothing can be given to now: blocked after failures, or on a node that is not connected. */
export function blockedNow(
  { backends, clock }: Pick<Parts, 'backends' | 'clock'>,
  read: Pick<Reader, 'meta'>,
): ReadonlyMap<BackendId, Block> {
  const now = clock.now();
  const away = [...backends].flatMap(([id, { place }]): [BackendId, Block][] => {
    const away = place?.away() ?? null;
    return away === null ? [] : [[id, { until: now + AWAY_MS, failures: 0, ...away }]];
  });
  return new Map([...Object.entries(blocksOf(read)).filter(([, { until }]) => until > now), ...away]);
}

/** What is said of a block. */
export const blockText = ({ cause, until }: Block): string =>
  `${cause}; tried again at ${new Date(until).toISOString()}`;

/**
 * It could not be started, or a limit of it is used up until a known time: nothing more is launched into that wall.
 * @param allowed failures in a row until then
 */
export function block(tx: Transaction, backend: BackendId, failure: Failure, now: number, allowed: number): void {
  const before = blocksOf(tx);
  const failures = (before[backend]?.failures ?? 0) + 1;
  const wait = failures < allowed ? 0 : Math.min(FIRST_MS * 2 ** (failures - allowed), LONGEST_MS);
  const blocks = { ...before, [backend]: { until: failure.resetAt ?? now + wait, cause: failure.message, failures } };
  tx.meta.set(KEY, JSON.stringify(blocks));
}

/** It has started: the next failure counts as the first. */
export function unblock(tx: Transaction, backend: BackendId): void {
  const { [backend]: found, ...rest } = blocksOf(tx);
  if (found) tx.meta.set(KEY, JSON.stringify(rest));
}
