import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';

/** The headers of Standard Webhooks 1.0 (standardwebhooks.com): a signature over id, time and body. */
export function signedHeaders(
  { id, timestamp, body }: { readonly id: string; readonly timestamp: number; readonly body: string },
  secret: string,
): Readonly<Record<string, string>> {
  const key = secret.startsWith(PREFIX)
    ? Buffer.from(secret.slice(PREFIX.length), 'base64')
    : Buffer.from(secret, 'utf8');
  const seconds = String(Math.floor(timestamp / 1_000));
  const signature = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': `v1,${signature}` };
}
