import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../base/clock.ts';
import { SessionWatch } from './session-watch.ts';

function watch() {
  const clock = new ManualClock();
  const seen: string[] = [];
  const made = new SessionWatch(
    clock,
    { stuckAfter: 1_000, hungAfter: 300 },
    {
      onStuck: (ms) => seen.push(`stuck ${ms}`),
      onUnstuck: () => seen.push('unstuck'),
      onHung: (ms) => seen.push(`hung ${ms}`),
    },
  );
  const beat = (times: number): void => {
    for (let i = 0; i < times; i += 1) {
      clock.advance(200);
      made.heartbeat();
    }
  };
  return { clock, made, seen, beat };
}

describe('SessionWatch', () => {
  it('says once that a living program is stuck, and never ends it', () => {
    const { made, seen, beat } = watch();
    made.turnBegan();
    beat(20);
    expect(seen).toEqual(['stuck 1000']);
    made.word();
    expect(seen).toEqual(['stuck 1000', 'unstuck']);
  });

  it('takes a program without a heartbeat for dead at its limit', () => {
    const { clock, made, seen, beat } = watch();
    made.turnBegan();
    beat(2);
    clock.advance(299);
    expect(seen).toEqual([]);
    clock.advance(1);
    expect(seen).toEqual(['hung 300']);
  });

  it('does not count the time in which a turn is frozen, and counts anew when it goes on', () => {
    const { clock, made, seen } = watch();
    made.turnBegan();
    clock.advance(299);
    made.froze();
    clock.advance(10_000);
    made.word();
    made.turnBegan();
    clock.advance(10_000);
    expect(seen).toEqual([]);
    made.thawed();
    clock.advance(299);
    expect(seen).toEqual([]);
    clock.advance(1);
    expect(seen).toEqual(['hung 300']);
  });

  it('does not look at a session without a turn', () => {
    const { clock, made, seen } = watch();
    clock.advance(10_000);
    made.turnBegan();
    made.turnEnded();
    clock.advance(10_000);
    expect(seen).toEqual([]);
  });
});
