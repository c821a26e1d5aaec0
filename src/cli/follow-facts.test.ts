import { expect, test } from 'vitest';
import { openTestApi } from '../../test/support/api.ts';
import { record } from '../../test/support/stream-readers.ts';
import { createClient } from '../client/client.ts';
import { factsUntilNow } from './follow-facts.ts';

test('pages that are short because their facts are long are not taken for the end', async () => {
  let isBusy = false;
  await using api = await openTestApi({
    handlers: {
      'facts.list': async ({ since, limit }) => {
        if (since === undefined) return { items: [], next: api.store.journal.head() };
        const { facts, next } = api.store.journal.since(since, { limit });
        if (isBusy) record(api.store, 1);
        return { items: facts, next };
      },
    },
  });
  const client = createClient({ url: api.url, token: 'read' });
  record(api.store, 20, { length: 1_000_000 });
  const { facts, next } = await factsUntilNow(client, {});
  expect(facts.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  expect(next).toBe(20);

  // What comes meanwhile is no reason to go on: it comes without end.
  isBusy = true;
  expect((await factsUntilNow(client, {})).facts.length).toBeLessThan(30);
});
