import type { Page } from './result.ts';
import { padEnd, widthOf, wrap } from './text.ts';

/** `name  value` lines, the values below each other; what is null is left out. */
export function fieldLines(
  fields: readonly (readonly [name: string, value: string | null])[],
  { columns, paint }: Page,
): string[] {
  const shown = fields.flatMap(([name, value]) => (value === null || value === '' ? [] : [[name, value] as const]));
  const width = Math.max(0, ...shown.map(([name]) => widthOf(name))) + 2;
  return shown.flatMap(([name, value]) =>
    wrap(value, columns - width).map((line, index) => `${paint('dim', padEnd(index === 0 ? name : '', width))}${line}`),
  );
}
