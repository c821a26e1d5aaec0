import { expect, test } from 'vitest';
import { webhook } from './webhook.ts';

test('gives up what was written for another form, before anything is sent', async () => {
  const world = {
    names: { project: () => null },
    url: () => 'http://127.0.0.1:1',
    now: () => 0,
    version: '0.0.0-test',
    homeId: 'home',
  };
  const settings = { url: 'http://127.0.0.1:1', secret: 'S', form: 'speech', allowPrivate: true } as const;
  const waiting = { id: 1, key: '7', lane: 'a', tries: 0, notBefore: 0, expiresAt: null };
  const { deliver } = webhook('one', settings, 'whsec_c2VjcmV0', world);
  const payload = { type: 'alert.opened', timestamp: '2026-01-01T00:00:00.000Z', data: {} };
  expect(await deliver({ ...waiting, payload }, AbortSignal.timeout(20_000))).toEqual({
    type: 'refused',
    error: 'it was to be told in another form',
  });
});
