import type { WebhookSettings } from '../../contract/webhook.ts';
import { post } from '../post.ts';
import type { Delivery, Projection } from '../projection.ts';
import type { Form, Names } from './form.ts';
import { gantryForm } from './gantry-form.ts';
import { legacyForm } from './legacy-form.ts';
import { signedHeaders } from './sign.ts';
import { speechForm } from './speech-form.ts';

/** Where the dashboard is, and the names of things. */
export type WebhookWorld = {
  readonly names: Names;
  readonly url: () => string;
  readonly now: () => number;
  readonly version: string;
  /** Of this home: ids of deliveries must not be those of another. */
  readonly homeId: string;
};

const DAY_MS = 86_400_000;
const SPEECH_USE_BY_MS = 120_000;

/** A webhook as a projection; `secret` is null if its variable is not set. */
export function webhook(
  name: string,
  settings: WebhookSettings,
  secret: string | null,
  world: WebhookWorld,
): Projection {
  const form = formOf(settings, world);
  const url = new URL(settings.url);
  const send = async (id: string, content: unknown, signal: AbortSignal): Promise<Delivery> => {
    const body = JSON.stringify(content);
    const headers = {
      'Content-Type': 'application/json',
      'User-Agent': `gantry/${world.version}`,
      // A delivery may come late: what counts is when it was signed.
      ...signedHeaders({ id, timestamp: world.now(), body }, secret ?? ''),
    };
    const isPrivateAllowed = settings.allowPrivate === true;
    const { status, retryAfterMs } = await post(url, body, { headers, isPrivateAllowed, now: world.now, signal });
    return outcomeOf(status, retryAfterMs);
  };
  return {
    name: `webhook:${name}`,
    target: url.origin,
    problem:
      secret === null ? `the daemon was started without the variable ${settings.secret}, which holds the secret` : null,
    kinds: form.kinds,
    project: form.entries,
    deliver: async (item, signal) => {
      const { isOwn = () => true } = form;
      if (!isOwn(item.payload)) return { type: 'refused', error: 'it was to be told in another form' };
      return await send(`${world.homeId}_${name}_${form.id(item)}`, form.body(item.payload), signal);
    },
    test: (signal) => send(`${world.homeId}_${name}_test_${world.now()}`, testBody(settings, world), signal),
  };
}

function formOf(settings: WebhookSettings, { names, url }: WebhookWorld): Form {
  const { form = 'gantry', kinds, useBy } = settings;
  switch (form) {
    case 'gantry':
      return gantryForm(kinds, useBy ?? DAY_MS);
    case 'legacy':
      return legacyForm(kinds, useBy ?? DAY_MS, names);
    case 'speech':
      return speechForm(settings, useBy ?? SPEECH_USE_BY_MS, { names, url });
    default:
      return form satisfies never;
  }
}

/** 2xx is a yes; 410 says that the receiver is gone for good; everything else, a redirect too, may change. */
function outcomeOf(status: number, retryAfterMs: number | undefined): Delivery {
  if (status >= 200 && status < 300) return { type: 'done' };
  const error = `HTTP ${status}${status >= 300 && status < 400 ? ' (redirects are not followed)' : ''}`;
  if (status === 410) return { type: 'refused', error };
  return { type: 'retry', error, ...(retryAfterMs !== undefined && { afterMs: retryAfterMs }) };
}

function testBody({ form = 'gantry', lang = 'en' }: WebhookSettings, { url, now }: WebhookWorld): unknown {
  const text = 'This is a test of Gantry.';
  switch (form) {
    case 'gantry':
      return { type: 'test', timestamp: new Date(now()).toISOString(), data: { text } };
    case 'legacy':
      return { source_app: 'gantry', session_id: 'test', hook_event_type: 'Notification', payload: { message: text } };
    case 'speech':
      return { say: text, lang, urgency: 'normal', project: null, agent: null, url: url(), kind: 'test' };
    default:
      return form satisfies never;
  }
}
