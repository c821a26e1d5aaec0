import type { TaskId } from '../../contract/ids.ts';
import type { Reader, Transaction } from '../../store/store.ts';

const keyOf = (taskId: TaskId): string => `handover:${taskId}`;

export const keepNote = (tx: Transaction, taskId: TaskId, note: string): void => tx.meta.set(keyOf(taskId), note);

/** What every conversation about a task that was handed over begins with; null if it never was. */
export const noteFor = (read: Pick<Reader, 'meta'>, taskId: TaskId): string | null => read.meta.get(keyOf(taskId));
