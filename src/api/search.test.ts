import { expect, it } from 'vitest';
import { temporaryStore } from '../../test/support/store.ts';
import { OPERATIONS } from '../contract/api.ts';
import { searchFacts } from './search.ts';

it('says up to where facts are found also when it stops before the end', async () => {
  await using home = await temporaryStore();
  await home.store.observe([{ kind: 'notice', data: { level: 'info', text: 'a fox' }, subject: {}, actor: 'gantry' }]);
  // Page after page of what is not wanted.
  const find = async () => ({ seqs: Array.from({ length: 200 }, () => 1), cursor: 1_234 });
  const input = OPERATIONS['facts.search'].input.parse({ q: 'fox', kind: 'observed' });
  const page = await searchFacts(home.store.journal, { find }, input);
  expect(page).toMatchObject({ items: [], nextCursor: 1, indexedTo: 1_234 });
});
