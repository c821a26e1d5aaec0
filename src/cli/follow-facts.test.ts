import { expect, test } from 'vitest';
import { openTestApi } from '../../test/support/api.ts';
import { record } from '../../test/support/stream-readers.ts';
import { createClient } from '../client/client.ts';
import { factsUntilNow } from './follow-facts.ts';

test('pages that are short because their facts are long are not taken for the end', async () => {
  await using api = await openTestApi({
    handlers: {
      'facts.list': async ({ since = 0, limit }) => {
        const { facts, next } = api.store.journal.since(since, { limit });
        return { items: facts, next };
      },
    },
  });
  record(api.store, 20, { length: 1_000_000 });
  const { facts, next } = await factsUntilNow(createClient({ url: api.url, token: 'read' }), {});
  expect(facts.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  expect(next).toBe(20);
});
