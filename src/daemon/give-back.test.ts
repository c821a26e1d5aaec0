import { expect, test } from 'vitest';
import { giveBackMemory } from './give-back.ts';

test('memory that nothing uses any more is given back', () => {
  let used: unknown[] | null = Array.from({ length: 300_000 }, (_, n) => ({ n }));
  const before = process.memoryUsage().heapTotal;
  expect(used.length).toBe(300_000);
  used = null;
  giveBackMemory();
  expect(used).toBeNull();
  expect(process.memoryUsage().heapTotal).toBeLessThan(before);
  expect(Reflect.get(globalThis, 'gc')).toBeUndefined();
});
