import { expect, test } from 'vitest';
import { startReceiver } from '../../test/support/receiver.ts';
import { post, retryAfter } from './post.ts';

const options = (isPrivateAllowed = true) => ({
  headers: { 'Content-Type': 'text/plain' },
  isPrivateAllowed,
  now: () => Date.parse('2026-01-01T00:00:00Z'),
  signal: AbortSignal.timeout(60_000),
});

test('posts a body and tells what came back', async () => {
  await using receiver = await startReceiver(() => ({ status: 429, headers: { 'Retry-After': '7' } }));
  const answer = await post(new URL(`${receiver.url}/hook?a=b`), 'hällo', options());
  expect(answer).toEqual({ status: 429, retryAfterMs: 7_000 });
  expect(receiver.got).toMatchObject([{ method: 'POST', path: '/hook?a=b', body: 'hällo' }]);
});

test('does not follow a redirect', async () => {
  await using target = await startReceiver();
  await using receiver = await startReceiver(() => ({ status: 302, headers: { Location: target.url } }));
  expect((await post(new URL(receiver.url), 'x', options())).status).toBe(302);
  expect(target.got).toEqual([]);
});

test.each(['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]'])(
  'does not connect to %s unless it is allowed',
  async (host) => {
    await using receiver = await startReceiver();
    const sent = post(new URL(`http://${host}:${receiver.port}/`), 'x', options(false));
    await expect(sent).rejects.toMatchObject({ code: 'forbidden' });
    expect(receiver.got).toEqual([]);
  },
);

test('reads little of an endless answer', async () => {
  await using receiver = await startReceiver(() => ({ status: 200, body: 'x'.repeat(5_000_000) }));
  expect((await post(new URL(receiver.url), 'x', options())).status).toBe(200);
});

test('ends when the time is up', async () => {
  await using receiver = await startReceiver(() => new Promise(() => undefined));
  const abort = new AbortController();
  const sent = post(new URL(receiver.url), 'x', { ...options(), signal: abort.signal });
  await receiver.until('the post', (got) => got.length === 1);
  abort.abort();
  await expect(sent).rejects.toMatchObject({ name: 'AbortError' });
});

test.each([
  ['5', 5_000],
  ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
  ['Wed, 31 Dec 2025 00:00:00 GMT', undefined],
  ['soon', undefined],
  [undefined, undefined],
])('Retry-After: %s', (header, ms) => {
  expect(retryAfter(header, options().now())).toBe(ms);
});
