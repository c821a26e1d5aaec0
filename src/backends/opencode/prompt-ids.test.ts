import { expect, test } from 'vitest';
import { ManualClock } from '../../base/clock.ts';
import { promptIdsOf } from './prompt-ids.ts';

test('ids have OpenCode’s form and sort by time, also within a millisecond and when the clock goes back', () => {
  const clock = new ManualClock(1_795_220_323_585);
  const next = promptIdsOf(clock);
  const made = [next(), next()];
  clock.advance(-5_000);
  made.push(next());
  clock.advance(10_000);
  made.push(next());
  for (const { messageId, partId } of made) {
    expect(messageId).toMatch(/^msg_[0-9a-f]{12}[0-9A-Za-z]{14}$/);
    expect(partId).toMatch(/^prt_[0-9a-f]{12}[0-9A-Za-z]{14}$/);
  }
  const ids = made.map(({ messageId }) => messageId);
  expect(ids.toSorted()).toEqual(ids);
  // A message that OpenCode 1.18.33 made in that millisecond had this time in its id.
  expect(ids[0]).toMatch(/^msg_1fb783d01/);
});
