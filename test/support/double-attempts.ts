import { isAttemptLive } from '../../src/contract/attempt.ts';
import type { Fact } from '../../src/contract/fact.ts';
import { lineOf } from './journal-watch.ts';

/** The facts by which a task had two live attempts at once: there must be none. */
export function doubleAttempts(facts: readonly Fact[]): string[] {
  const live = new Map<string, string>();
  const double: string[] = [];
  for (const fact of facts) {
    if (fact.kind !== 'attempt.changed') continue;
    const { row } = fact.data;
    const other = live.get(row.taskId);
    if (!isAttemptLive(row.state)) {
      if (other === row.id) live.delete(row.taskId);
    } else if (other === undefined || other === row.id) live.set(row.taskId, row.id);
    else double.push(lineOf(fact));
  }
  return double;
}
