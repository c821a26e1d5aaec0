import { z } from 'zod';
import type { OutboxStore, OutboxWriter } from './projection.ts';

/** How far a projection has come, and what became of its deliveries. Kept in `meta`, written along with the outbox. */
export const Progress = z.object({
  cursor: z.number(),
  delivered: z.number(),
  dropped: z.number(),
  lastDeliveredAt: z.number().nullable(),
  lastError: z.object({ at: z.number(), text: z.string() }).nullable(),
  /** When the deliveries began to fail, ms; null while they are taken. */
  failingSince: z.number().nullable(),
});
export type Progress = z.infer<typeof Progress>;

const keyOf = (name: string): string => `bridge.${name}`;

export const newProgress = (cursor: number): Progress => ({
  cursor,
  delivered: 0,
  dropped: 0,
  lastDeliveredAt: null,
  lastError: null,
  failingSince: null,
});

export function readProgress(read: OutboxStore['read'], name: string): Progress | null {
  const text = read.meta.get(keyOf(name));
  return text === null ? null : Progress.parse(JSON.parse(text));
}

export const writeProgress = (tx: OutboxWriter, name: string, progress: Progress): void =>
  tx.meta.set(keyOf(name), JSON.stringify(progress));
