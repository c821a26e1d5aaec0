import fc from 'fast-check';
import { expect, it } from 'vitest';
import { temporaryStore } from '../../test/support/store.ts';
import type { NewEvent } from './events.ts';
import type { Store } from './store.ts';

const eventAt = (at: number): NewEvent => ({
  at,
  source: 'app',
  session: 's',
  type: 'Stop',
  text: '{"source_app":"app","session_id":"s","hook_event_type":"Stop","timestamp":1,"payload":{}}',
  notes: { token: null },
  chat: null,
  repeat: null,
  actor: 'test',
});

/** Positions in the range, and how many were read for them. */
function received(store: Store, from: number, to: number): { readonly seqs: number[]; readonly read: number } {
  const rows = [...store.events.iterate(store.events.between(from, to), 'oldest')];
  return { seqs: rows.filter(({ at }) => at >= from && at < to).map(({ seq }) => seq), read: rows.length };
}

it('finds what was received between two moments, also where the clock was set back, and reads nothing else', async () => {
  const times = fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(times, fc.boolean(), fc.nat(31), fc.nat(31), async (given, isSet, from, to) => {
      await using home = await temporaryStore();
      const ats = isSet ? given : given.toSorted((a, b) => a - b);
      for (const at of ats) await home.store.observeEvents([eventAt(at)]);
      const wanted = ats.flatMap((at, i) => (at >= from && at < to ? [i + 1] : []));
      const { seqs, read } = received(home.store, from, to);
      expect(seqs).toEqual(wanted);
      if (!isSet) expect(read).toBe(wanted.length);
    }),
    { numRuns: 25 },
  );
});

it('knows the step of a clock beside an event that was taken back, and after a restart', async () => {
  let isFull = false;
  await using home = await temporaryStore({ onCommit: () => (isFull ? 'disk_full' : null) });
  await home.store.observeEvents([eventAt(100), eventAt(200)]);
  isFull = true;
  await expect(home.store.observeEvents([eventAt(50)])).rejects.toMatchObject({ code: 'disk_full' });
  isFull = false;
  await home.store.observeEvents([eventAt(60)]);
  await home.store.close();
  await using again = home.reopen();
  await again.observeEvents([eventAt(55), eventAt(300)]);
  expect(received(again, 50, 61).seqs).toEqual([3, 4]);
  expect(received(again, 200, 999).seqs).toEqual([2, 5]);
});
