import { expect, it } from 'vitest';
import { temporaryStore } from '../../../test/support/store.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { SessionId } from '../../contract/ids.ts';
import type { Parts } from '../parts.ts';
import { LogWriter } from './session-log.ts';

const ONE = 'sess_000000001';
const TWO = 'sess_000000002';

it('what a resumed program tells again is told once, and what it had not told is told', async () => {
  await using home = await temporaryStore();
  const { store } = home;
  const parts = { store, clock: systemClock, log: silentLog } as unknown as Parts;
  const writer = (sessionId: SessionId, isResumed: boolean): LogWriter =>
    new LogWriter(parts, { sessionId }, { actor: 'gantry', isResumed });
  const call = { callId: 'c1', tool: 'bash', title: 'ls' };
  const first = writer(ONE, false);
  await first.write({ type: 'text', partId: 'p1', text: 'before' });
  await first.write({ type: 'tool-started', ...call, input: {} });
  await store.observe([]);
  const again = writer(ONE, true);
  await again.write({ type: 'text-delta', partId: 'p1', text: 'bef' });
  await again.write({ type: 'text', partId: 'p1', text: 'before' });
  await again.write({ type: 'tool-started', ...call, input: {} });
  await again.write({ type: 'tool-ended', ...call, status: 'completed', output: 'a' });
  await writer(TWO, true).write({ type: 'text', partId: 'p1', text: 'another session' });
  await store.observe([{ kind: 'notice', data: { level: 'info', text: 'last' }, subject: {}, actor: 'gantry' }]);
  const kinds = store.journal.since(0).facts.map(({ kind, sessionId }) => `${kind} ${sessionId}`);
  expect(kinds).toEqual([`text ${ONE}`, `tool.started ${ONE}`, `tool.ended ${ONE}`, `text ${TWO}`, 'notice null']);
});
