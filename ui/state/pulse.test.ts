import { expect, test } from 'vitest';
import { type Fact, NO_SUBJECT } from '../../src/contract/fact.ts';
import { pulseOf } from './pulse.ts';

const at = (time: number, seq = time): Fact => ({
  ...NO_SUBJECT,
  seq,
  at: time,
  actor: 'test',
  kind: 'notice',
  data: { level: time % 2 === 0 ? 'error' : 'info', text: '' },
});

test('counts what came in the window, by stretch and family', () => {
  const pulse = pulseOf([at(1), at(40_001), at(41_000), at(100_000), at(100_001)], 100_000, 60_000);
  expect(pulse).toMatchObject({ from: 40_000, bucketMs: 1_000, total: 3, most: 1, totals: { trouble: 2, state: 1 } });
  expect(pulse.bars).toHaveLength(60);
  expect(pulse.bars[0]?.parts).toEqual([{ family: 'state', count: 1, below: 0 }]);
  expect(pulse.bars[1]?.parts).toEqual([{ family: 'trouble', count: 1, below: 0 }]);
  expect(pulse.bars[59]?.parts).toEqual([{ family: 'trouble', count: 1, below: 0 }]);
});

test('stacks families without a gap', () => {
  const [bar] = pulseOf([at(1_000), at(1_001), at(1_002), at(1_003)], 60_500, 60_000).bars.filter(
    ({ parts }) => parts.length > 0,
  );
  expect(bar?.parts).toEqual([
    { family: 'state', count: 2, below: 0 },
    { family: 'trouble', count: 2, below: 2 },
  ]);
});
