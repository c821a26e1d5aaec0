import { expect, test } from 'vitest';
import { signedHeaders } from './sign.ts';

// https://github.com/standard-webhooks/standard-webhooks: the vector of its libraries' tests.
test('signs as Standard Webhooks does', () => {
  const message = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: 1_614_265_330_999,
    body: '{"test": 2432232314}',
  };
  expect(signedHeaders(message, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

test('takes a secret of another form as it is', () => {
  const message = { id: 'a', timestamp: 0, body: '' };
  expect(signedHeaders(message, 'plain')['webhook-signature']).toBe('v1,w+/y3WvnDKJdlwOsgRuRgDECPibCCijk/4RIQEwJqvQ=');
});
