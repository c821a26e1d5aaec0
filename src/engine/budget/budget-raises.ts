import type { Reader, Transaction } from '../../store/store.ts';

const keyOf = (budget: string): string => `budget.raised:${budget}`;

/** How often a person raised a limit: each time by as much as it was at first. */
export const raisesOf = (read: Pick<Reader, 'meta'>, budget: string): number =>
  Number(read.meta.get(keyOf(budget)) ?? 0);

export const raise = (tx: Transaction, budget: string): void =>
  tx.meta.set(keyOf(budget), String(raisesOf(tx, budget) + 1));
