import { expect, test } from 'vitest';
import { hrefOf, parseRoute } from './route.ts';

test('an address that is no encoding is read as it stands, and every other as it was written', () => {
  expect(parseRoute('#/requests/%')).toEqual({ page: 'requests', id: '%', query: {} });
  expect(parseRoute('#/requests/%?task=%E0%A4%A')).toMatchObject({ page: 'requests', id: '%' });
  expect(parseRoute(hrefOf('messages', 'demo/worker/50% off', { q: 'a b' }))).toEqual({
    page: 'messages',
    id: 'demo/worker/50% off',
    query: { q: 'a b' },
  });
});
