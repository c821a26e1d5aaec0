import { z } from 'zod';
import { ProjectId } from '../../contract/ids.ts';
import { addUsage, hasTokens, Usage } from '../../contract/usage.ts';
import type { Reader, Transaction } from '../../store/store.ts';

/** What was used today without a task, by whom: agents that stand by, planners, single prompts. */
const Today = z.object({
  /** UTC. */
  day: z.string(),
  rows: z.array(z.object({ projectId: ProjectId.nullable(), role: z.string(), usage: Usage })),
});
type Row = z.infer<typeof Today>['rows'][number];

const KEY = 'spent.withoutTask';

/** UTC. */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

export function spentToday(read: Pick<Reader, 'meta'>, now: number): readonly Row[] {
  const stored = read.meta.get(KEY);
  const { day, rows } = stored === null ? { day: '', rows: [] } : Today.parse(JSON.parse(stored));
  return day === dayOf(now) ? rows : [];
}

/** In the transaction that counts it where it was used: a session lives longer than a day, so its sum cannot tell. */
export function spendToday(tx: Transaction, now: number, { projectId, role, usage }: Row): void {
  if (!hasTokens(usage) && usage.costUsd === null) return;
  const rows = spentToday(tx, now);
  const isSame = (row: Row): boolean => row.projectId === projectId && row.role === role;
  const before = rows.find(isSame);
  const whole = before ? addUsage(before.usage, usage) : usage;
  const next = [...rows.filter((row) => !isSame(row)), { projectId, role, usage: whole }];
  tx.meta.set(KEY, JSON.stringify({ day: dayOf(now), rows: next }));
}
