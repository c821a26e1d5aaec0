import { expect, it } from 'vitest';
import { openTestApi } from '../../../test/support/api.ts';
import { testSettings } from '../../../test/support/engine.ts';
import { sampleEvent } from '../../../test/support/events.ts';
import { sampleSession, PERSON as WHO } from '../../../test/support/store.ts';
import { systemClock } from '../../base/clock.ts';
import { usageSummary } from './usage-summary.ts';

const message = (cost: number | null, over: Record<string, unknown> = {}) =>
  sampleEvent({
    source_app: 'opencode',
    session_id: 'ses_mine',
    hook_event_type: 'AssistantMessage',
    model_name: 'p/m',
    payload: {
      tokens: { input: 10, output: 2, reasoning: 1, cache: { read: 5, write: 3 } },
      cost_usd: cost,
    },
    ...over,
  });

it('sums what sessions of outside programs used, once, and keeps the sums when the events are gone', async () => {
  await using api = await openTestApi();
  const { store } = api;
  store.commit((tx) => tx.sessions.insert(sampleSession(1, { nativeId: 'of-an-agent', attemptId: null }), WHO));
  const events = [
    message(0.5, { event_id: 'once' }),
    message(0.5, { event_id: 'once' }),
    message(0.25),
    message(null, { session_id: 'ses_other' }),
    // Its use is in its own row.
    message(9, { session_id: 'of-an-agent' }),
    message(1, { payload: { tokens: { input: 'many' } } }),
  ];
  const answer = await api.post('/events', events, { token: 'ingest' });
  expect(await answer.json()).toMatchObject({ accepted: 6 });
  const summed = () =>
    usageSummary({ store, clock: systemClock, settingsFor: () => testSettings() }, {}).rows.filter(
      ({ role }) => role === 'outside',
    );
  const row = {
    ...{ project: null, backend: 'opencode', model: 'p/m', sessions: 2, unpriced: 1, pricedUsd: 0.75 },
    ...{ inputTokens: 30, outputTokens: 6, cacheReadTokens: 15, cacheWriteTokens: 9 },
  };
  expect(summed()).toEqual([expect.objectContaining(row)]);
  await store.prune({ streamMs: -1_000, observationMs: -1_000, stateMs: 1e12, maxBytes: 1e12 }, 60_000);
  expect(await (await api.send('/events/recent', { token: 'read' })).json()).toEqual([]);
  expect(summed()).toEqual([expect.objectContaining(row)]);
});
