import { z } from 'zod';

const DURATION_FORM = 'expected milliseconds, or a number with a unit: 500ms, 30s, 15m, 2h, 7d';

/** A length of time: milliseconds, or a number with a unit (`500ms`, `30s`, `15m`, `2h`, `7d`). */
export const Duration = z
  .union([z.number().int().nonnegative(), z.string().regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, DURATION_FORM)])
  .transform(parseDuration);

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseDuration(value: number | string): number {
  if (typeof value === 'number') return value;
  const [, amount, unit] = /^(.*?)(ms|s|m|h|d)$/.exec(value) ?? [];
  return Math.round(Number(amount) * (UNIT_MS[unit ?? 'ms'] ?? 1));
}
