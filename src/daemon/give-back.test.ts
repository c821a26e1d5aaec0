import { expect, test } from 'vitest';
import { giveBackMemory } from './give-back.ts';

test('memory that nothing uses any more is given back', () => {
  const use = (): number => Array.from({ length: 300_000 }, (_, n) => ({ n })).length;
  expect(use()).toBe(300_000);
  const before = process.memoryUsage().heapTotal;
  giveBackMemory();
  expect(process.memoryUsage().heapTotal).toBeLessThan(before);
  expect(Reflect.get(globalThis, 'gc')).toBeUndefined();
});
