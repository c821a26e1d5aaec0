import { describe, expect, it } from 'vitest';
import { FailureClass as Classes, type FailureClass } from '../../contract/failure.ts';
import { afterFailure } from './outcome.ts';

const limits = { maxAttempts: 3, retryBackoff: 1_000 };
const failure = (of: FailureClass, resetAt: number | null = null) => ({ class: of, message: 'it broke', resetAt });

describe('afterFailure', () => {
  it('backs off twice as long each time, with jitter on top', () => {
    expect(afterFailure(failure('crash'), 1, limits, 100, 0)).toMatchObject({
      type: 'again',
      at: 1_100,
      isCounted: true,
    });
    expect(afterFailure(failure('crash'), 2, limits, 100, 0.999)).toMatchObject({
      at: 100 + Math.round(2_000 * (1 + 0.999 / 4)),
    });
  });

  it('asks a person at the cap', () => {
    expect(afterFailure(failure('model'), 3, limits, 0, 0)).toEqual({
      type: 'person',
      cause: '3 attempts failed, the last with model: it broke',
    });
  });

  it('fails at once where one attempt is the policy', () => {
    expect(afterFailure(failure('model'), 1, { ...limits, maxAttempts: 1 }, 0, 0).type).toBe('fail');
  });

  it('waits for a known reset without spending an attempt, even at the cap', () => {
    expect(afterFailure(failure('quota', 5_000), 3, limits, 100, 0)).toMatchObject({
      type: 'again',
      at: 5_000,
      isCounted: false,
    });
  });

  it('treats a reset in the past as now', () => {
    expect(afterFailure(failure('rate', 50), 1, limits, 100, 0)).toMatchObject({ at: 100 });
  });

  it('decides for every class, in words', () => {
    for (const of of Classes.options) expect(afterFailure(failure(of), 1, limits, 0, 0).cause).toContain('it broke');
  });

  it('never repeats what a repetition cannot mend', () => {
    for (const of of ['auth', 'timeout', 'budget', 'denied', 'conflict', 'dependency'] as const) {
      expect(afterFailure(failure(of), 1, limits, 0, 0).type).toBe('fail');
    }
  });
});
