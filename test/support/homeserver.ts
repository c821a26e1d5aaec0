import { deferred } from '../../src/base/wait.ts';
import { type ReceiverAnswer, startReceiver } from './receiver.ts';

export const SERVER = 'lab.local';
export const BOT = `@gantry:${SERVER}`;

type Event = {
  readonly event_id: string;
  readonly room: string;
  readonly type: string;
  readonly sender: string;
  readonly origin_server_ts: number;
  readonly content: Readonly<Record<string, unknown>>;
};

type Asked = {
  readonly method: string;
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly body: string;
};

const json = (body: unknown, status = 200): ReceiverAnswer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

/**
 * A small server that speaks the calls of Matrix's client-server API that Gantry makes, for what a real homeserver cannot
 * be made to do (refuse on demand, lose an answer, tell an age). `fault` may answer in place of it, before or after.
 */
export async function startHomeserver(
  token: string,
  fault: (call: string, when: 'before' | 'after') => ReceiverAnswer | null = () => null,
) {
  const events: Event[] = [];
  const rooms = new Map<string, { readonly invited: string[] }>();
  const aliases = new Map<string, string>();
  const transactions = new Map<string, string>();
  let changed = deferred<void>();

  const add = (room: string, sender: string, content: Event['content'], ageMs = 0): string => {
    const id = `$${events.length + 1}`;
    const origin_server_ts = Date.now() - ageMs;
    events.push({ event_id: id, room, type: 'm.room.message', sender, origin_server_ts, content });
    changed.resolve();
    changed = deferred<void>();
    return id;
  };
  const make = (alias: string): ReceiverAnswer => {
    if (aliases.has(alias)) return json({ errcode: 'M_ROOM_IN_USE', error: 'taken' }, 400);
    const id = `!room${rooms.size + 1}:${SERVER}`;
    rooms.set(id, { invited: [] });
    aliases.set(alias, id);
    return json({ room_id: id });
  };
  const send = (room: string, txn: string, content: string): ReceiverAnswer => {
    const known = transactions.get(txn) ?? add(room, BOT, JSON.parse(content) as Event['content']);
    transactions.set(txn, known);
    return json({ event_id: known });
  };
  const sync = async (since: string | null): Promise<ReceiverAnswer> => {
    if (since !== null && Number(since) === events.length) await changed.promise;
    const join: Record<string, { timeline: { events: Event[] } }> = {};
    for (const event of since === null ? [] : events.slice(Number(since))) {
      join[event.room] ??= { timeline: { events: [] } };
      join[event.room]?.timeline.events.push(event);
    }
    return json({ next_batch: String(events.length), rooms: { join } });
  };
  const answer = ({ method, path, query, body }: Asked): ReceiverAnswer | Promise<ReceiverAnswer> => {
    const [kind = '', room = '', verb = '', , txn = ''] = path;
    if (kind === 'account') return json({ user_id: BOT });
    if (kind === 'sync') return sync(query.get('since'));
    if (kind === 'createRoom') return make((JSON.parse(body) as { room_alias_name: string }).room_alias_name);
    if (kind === 'directory') return json({ room_id: aliases.get(/^#(.*):/.exec(verb)?.[1] ?? '') });
    if (kind === 'join') return json({});
    if (method === 'PUT') return send(room, txn, body);
    rooms.get(room)?.invited.push((JSON.parse(body) as { user_id: string }).user_id);
    return json({});
  };
  const receiver = await startReceiver(async ({ method, path, body, headers }) => {
    const { pathname, searchParams: query } = new URL(path, 'http://matrix');
    if (headers.authorization !== `Bearer ${token}`) return json({ errcode: 'M_UNKNOWN_TOKEN' }, 401);
    const parts = pathname.split('/').slice(4).map(decodeURIComponent);
    const call = `${method} ${parts[0] === 'rooms' ? (parts[2] ?? '') : (parts[0] ?? '')}`;
    const [first, ...rest] = parts;
    const asked = { method, path: first === 'rooms' ? ['rooms', ...rest] : parts, query, body };
    return fault(call, 'before') ?? ((answered) => fault(call, 'after') ?? answered)(await answer(asked));
  });
  return {
    ...receiver,
    rooms,
    events,
    /** What a person writes, or a program with more in it than words. */
    write: (room: string, sender: string, body: string, ageMs = 0, more: Event['content'] = {}): string =>
      add(room, sender, { msgtype: 'm.text', body, ...more }, ageMs),
    /** What the account has said, changes left out. */
    said: (): readonly Event[] =>
      events.filter(({ sender, content }) => sender === BOT && content['m.new_content'] === undefined),
    /** What the account's changed messages say now. */
    changes: (): readonly Event[] => events.filter(({ content }) => content['m.new_content'] !== undefined),
  };
}

export const bodyOf = ({ content }: { readonly content: Readonly<Record<string, unknown>> }): string =>
  String(content.body);
