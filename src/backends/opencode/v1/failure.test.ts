import { expect, test } from 'vitest';
import { errorOf } from './failure.ts';

const date = 'Sat, 21 Nov 2026 00:00:00 GMT';
const at = Date.parse(date);
const api = (statusCode: number | undefined, responseHeaders = {}, responseBody = ''): object => ({
  name: 'APIError',
  data: { message: 'words', ...(statusCode === undefined ? {} : { statusCode }), responseHeaders, responseBody },
});

test.each([
  ['auth', null, api(401)],
  ['auth', null, api(403)],
  ['auth', null, { name: 'ProviderAuthError', data: { message: 'log in' } }],
  ['quota', null, api(402)],
  ['quota', null, api(429, {}, '{"error":{"code":"insufficient_quota"}}')],
  ['rate', null, api(429)],
  ['rate', at + 90_000, api(429, { date, 'retry-after': '90' })],
  ['rate', at, api(429, { 'retry-after': date })],
  ['rate', at, api(429, { 'anthropic-ratelimit-unified-reset': String(at / 1000) })],
  ['rate', at, api(429, { 'anthropic-ratelimit-requests-reset': '2026-11-21T00:00:00Z' })],
  ['rate', at, api(429, { 'x-ratelimit-reset': String(at) })],
  ['rate', null, api(429, { 'retry-after': 'soon' }, 'not json')],
  ['context-full', null, api(413)],
  ['context-full', null, { name: 'ContextOverflowError', data: {} }],
  ['model', null, api(500)],
  ['model', null, api(404)],
  ['network', null, api(undefined)],
  ['model', null, { name: 'UnknownError', data: { message: 'Model not found' } }],
  ['protocol', null, { name: 'SomethingNewError', data: {} }],
] as const)('a failure is classed by name, status and code: %s', (kind, resetAt, error) => {
  expect(errorOf(error as Parameters<typeof errorOf>[0])).toEqual({
    type: 'failed',
    failure: { class: kind, message: expect.stringMatching(/\w/), resetAt },
  });
});

test('an abort is no failure', () => {
  expect(errorOf({ name: 'MessageAbortedError', data: { message: 'Aborted' } })).toEqual({ type: 'aborted' });
});
