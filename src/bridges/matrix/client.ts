import { z } from 'zod';
import { retryAfter } from '../post.ts';
import type { Delivery } from '../projection.ts';

/** What a homeserver answered in place of what was asked for. */
export class MatrixError extends Error {
  readonly status: number;
  /** `M_FORBIDDEN`, … */
  readonly code: string;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, code: string, text: string, retryAfterMs?: number) {
    super(`${code}: ${text}`);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

const RoomEvent = z.object({
  event_id: z.string(),
  type: z.string(),
  sender: z.string(),
  origin_server_ts: z.number(),
  content: z.record(z.string(), z.unknown()),
  unsigned: z.object({ age: z.number().optional() }).optional(),
});
export type RoomEvent = z.infer<typeof RoomEvent>;

/** Events in a form that cannot be read are nobody's command. */
const Events = z.array(z.unknown()).transform((events) => events.flatMap((one) => RoomEvent.safeParse(one).data ?? []));
const Timeline = z.object({ events: Events, limited: z.boolean().default(false), prev_batch: z.string().optional() });
const Synced = z.object({
  next_batch: z.string(),
  rooms: z.object({ join: z.record(z.string(), z.object({ timeline: Timeline })).default({}) }).default({ join: {} }),
});
export type Synced = z.infer<typeof Synced>;

const Fault = z.object({ errcode: z.string(), error: z.string().default(''), retry_after_ms: z.number().optional() });

/** A request other than the long poll. */
const CALL_LIMIT_MS = 15_000;
const POLL_MS = 30_000;
const POLL_LIMIT_MS = POLL_MS + 15_000;
const MAX_ANSWER_BYTES = 16_000_000;
/** Of one room in one answer. */
const TIMELINE_LIMIT = 50;
/** What is read of a gap, once per room. */
const GAP_LIMIT = 100;
/** An account that is refused is looked at again after this time. */
const REFUSED_MS = 300_000;

const NOTHING = { not_types: ['*'] };
const HEARD = ['m.room.message', 'm.room.encrypted'];
const FILTER = JSON.stringify({
  presence: NOTHING,
  account_data: NOTHING,
  room: {
    ephemeral: NOTHING,
    account_data: NOTHING,
    state: NOTHING,
    timeline: { types: HEARD, limit: TIMELINE_LIMIT },
  },
});

export type MatrixClient = ReturnType<typeof matrixClient>;

/**
 * The part of Matrix's client-server API (v1.11, `/_matrix/client/v3`) that the bridge needs. Calls throw `MatrixError` for
 * an answer that is not 2xx. What the server asks to wait after a 429 is waited by all calls of that kind: they fail with
 * the rest of the time and without a request.
 */
export function matrixClient({
  url,
  token,
  now,
}: {
  readonly url: string;
  readonly token: string;
  readonly now: () => number;
}) {
  const closedUntil = { create: 0, send: 0, read: 0 };
  type Kind = keyof typeof closedUntil;

  const call = async <T>(
    schema: z.ZodType<T>,
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    options: { readonly kind: Kind; readonly body?: unknown; readonly signal: AbortSignal; readonly limitMs?: number },
  ): Promise<T> => {
    const { kind, body, signal, limitMs = CALL_LIMIT_MS } = options;
    const rest = closedUntil[kind] - now();
    if (rest > 0) throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'the server asked to wait', rest);
    const response = await fetch(new URL(`/_matrix/client/${path}`, url), {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      // The token goes to the server that is configured, and to no other.
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(limitMs)]),
    });
    const answer = await jsonOf(response);
    if (response.ok) return schema.parse(answer);
    const { errcode = 'M_UNKNOWN', error = '', retry_after_ms: asked } = Fault.safeParse(answer).data ?? {};
    const waitMs = retryAfter(response.headers.get('retry-after') ?? undefined, now()) ?? asked;
    if (response.status === 429) closedUntil[kind] = now() + (waitMs ?? 1_000);
    throw new MatrixError(response.status, errcode, error || `HTTP ${response.status}`, waitMs);
  };
  const part = encodeURIComponent;

  return {
    /** The account that the token is of. */
    whoami: async (signal: AbortSignal): Promise<string> =>
      (await call(z.object({ user_id: z.string() }), 'GET', 'v3/account/whoami', { kind: 'read', signal })).user_id,
    /** Waits up to 30 s for something new; without `since` it answers at once with where to begin. */
    sync: (since: string | null, signal: AbortSignal): Promise<Synced> => {
      const query = new URLSearchParams({ filter: FILTER, set_presence: 'offline' });
      query.set('timeout', since === null ? '0' : String(POLL_MS));
      if (since !== null) query.set('since', since);
      return call(Synced, 'GET', `v3/sync?${query}`, { kind: 'read', signal, limitMs: POLL_LIMIT_MS });
    },
    /** The newest messages of a gap, oldest first, and whether there were more. */
    gap: async (room: string, from: string, to: string, signal: AbortSignal) => {
      const filter = JSON.stringify({ types: HEARD });
      const query = new URLSearchParams({ dir: 'b', from, to, limit: String(GAP_LIMIT), filter });
      const page = z.object({ chunk: Events, end: z.string().optional() });
      const path = `v3/rooms/${part(room)}/messages?${query}`;
      const { chunk } = await call(page, 'GET', path, { kind: 'read', signal });
      return { events: chunk.toReversed(), isCut: chunk.length >= GAP_LIMIT };
    },
    /** The same `txnId` again is the same event. */
    send: async (room: string, txnId: string, content: unknown, signal: AbortSignal): Promise<string> => {
      const path = `v3/rooms/${part(room)}/send/m.room.message/${part(txnId)}`;
      const answer = z.object({ event_id: z.string() });
      return (await call(answer, 'PUT', path, { kind: 'send', body: content, signal })).event_id;
    },
    join: async (room: string, signal: AbortSignal): Promise<void> => {
      await call(z.unknown(), 'POST', `v3/join/${part(room)}`, { kind: 'read', body: {}, signal });
    },
    invite: async (room: string, user: string, signal: AbortSignal): Promise<void> => {
      const path = `v3/rooms/${part(room)}/invite`;
      await call(z.unknown(), 'POST', path, { kind: 'send', body: { user_id: user }, signal });
    },
    /** Makes a private room under an alias, or finds the one that has it already. */
    room: async (
      wanted: { readonly alias: string; readonly server: string; readonly name: string; readonly topic: string },
      signal: AbortSignal,
    ): Promise<string> => {
      const answer = z.object({ room_id: z.string() });
      const body = {
        name: wanted.name,
        topic: wanted.topic,
        room_alias_name: wanted.alias,
        preset: 'private_chat',
        visibility: 'private',
        power_level_content_override: { invite: 50, kick: 50, ban: 50, redact: 50, state_default: 50 },
      };
      try {
        return (await call(answer, 'POST', 'v3/createRoom', { kind: 'create', body, signal })).room_id;
      } catch (error) {
        if (!(error instanceof MatrixError) || error.code !== 'M_ROOM_IN_USE') throw error;
        const path = `v3/directory/room/${part(`#${wanted.alias}:${wanted.server}`)}`;
        return (await call(answer, 'GET', path, { kind: 'read', signal })).room_id;
      }
    },
  };
}

/** Null for what is no JSON, or too long to be an answer. */
async function jsonOf(response: Response): Promise<unknown> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_ANSWER_BYTES) return null;
  }
  try {
    return JSON.parse(text + decoder.decode());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
}

/** How long to wait after a failure; null if it would not be another one later. */
export function waitAfter(error: unknown): number | null {
  if (!(error instanceof MatrixError)) return 0;
  const { status, retryAfterMs } = error;
  if (status === 401) return REFUSED_MS;
  if (status === 408 || status === 429 || status >= 500) return retryAfterMs ?? 0;
  return null;
}

/** A room that is not there or not ours any more will not come back. What the account cannot do at all may be mended. */
export function failed(error: unknown, of: 'account' | 'room'): Delivery {
  const afterMs = waitAfter(error) ?? (of === 'account' ? REFUSED_MS : null);
  const text = textOf(error);
  return afterMs === null ? { type: 'refused', error: text } : { type: 'retry', error: text, afterMs };
}

/** What `fetch` throws has its reason inside. */
function textOf(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
