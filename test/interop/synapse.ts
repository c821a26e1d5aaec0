import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../../src/base/wait.ts';
import { tempDir } from '../support/temp.ts';
import { freePort, type Peer, program, run, startPeer } from './peer.ts';

export const SERVER = 'lab.local';
const LIMIT_MS = 30_000;

export type RoomEvent = {
  readonly event_id: string;
  readonly type: string;
  readonly sender: string;
  readonly content: Readonly<Record<string, unknown>> & { readonly body?: string };
};

/** A person's client of the homeserver. */
export type Person = {
  readonly id: string;
  readonly token: string;
  readonly call: <T>(method: string, path: string, body?: unknown) => Promise<T>;
  readonly join: (room: string) => Promise<void>;
  /** New ones since they were last asked for. */
  readonly invitations: () => Promise<readonly string[]>;
  readonly write: (room: string, body: string, more?: Readonly<Record<string, unknown>>) => Promise<string>;
  /** All messages of a room, oldest first; changes are events of their own. */
  readonly read: (room: string) => Promise<readonly RoomEvent[]>;
  readonly sees: (room: string, words: string) => Promise<RoomEvent>;
};

/** A real Synapse on loopback, with limits on messages that a busy task meets. */
export async function startSynapse() {
  const { path: home, [Symbol.asyncDispose]: remove } = await tempDir();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const python = program('synapse', 'python');
  const config = join(home, 'homeserver.yaml');
  await writeFile(config, configuration(home, port));
  await run([python, '-m', 'synapse.app.homeserver', '--generate-keys', '-c', config], { home });
  const start = (): Promise<Peer> =>
    startPeer([python, '-m', 'synapse.app.homeserver', '-c', config], {
      home,
      health: `${url}/_matrix/client/versions`,
    });
  let peer = await start();
  const person = async (name: string): Promise<Person> => {
    const register = program('synapse', 'register_new_matrix_user');
    await run([register, '-c', config, '-u', name, '-p', `pw-${name}`, '--no-admin', url], { home });
    return login(url, name);
  };
  return {
    url,
    person,
    stop: () => peer.stop(),
    start: async () => {
      peer = await start();
    },
    log: join(home, 'out.log'),
    [Symbol.asyncDispose]: async () => {
      await peer.stop();
      await remove();
    },
  };
}

const configuration = (home: string, port: number): string =>
  JSON.stringify({
    server_name: SERVER,
    pid_file: join(home, 'pid'),
    listeners: [
      {
        ...{ bind_addresses: ['127.0.0.1'], port, type: 'http', tls: false },
        resources: [{ names: ['client'], compress: false }],
      },
    ],
    database: { name: 'sqlite3', args: { database: join(home, 'homeserver.db') } },
    media_store_path: join(home, 'media'),
    signing_key_path: join(home, 'signing.key'),
    registration_shared_secret: 'interop',
    macaroon_secret_key: 'interop',
    form_secret: 'interop',
    report_stats: false,
    trusted_key_servers: [],
    suppress_key_server_warning: true,
    rc_login: {
      address: { per_second: 1_000, burst_count: 1_000 },
      account: { per_second: 1_000, burst_count: 1_000 },
    },
    rc_message: { per_second: 2, burst_count: 4 },
  });

async function login(url: string, name: string): Promise<Person> {
  const request = async <T>(method: string, path: string, token: string | null, body?: unknown): Promise<T> => {
    for (;;) {
      const response = await fetch(`${url}/_matrix/client/v3/${path}`, {
        method,
        headers: { 'content-type': 'application/json', ...(token !== null && { authorization: `Bearer ${token}` }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const answer = (await response.json()) as T & { readonly retry_after_ms?: number };
      if (response.ok) return answer;
      if (response.status !== 429) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
      await new Promise((resolve) => setTimeout(resolve, answer.retry_after_ms ?? 500));
    }
  };
  const identifier = { type: 'm.id.user', user: name };
  const { user_id: id, access_token: token } = await request<{ user_id: string; access_token: string }>(
    ...(['POST', 'login', null, { type: 'm.login.password', identifier, password: `pw-${name}` }] as const),
  );
  const call: Person['call'] = (method, path, body) => request(method, path, token, body);
  const inRoom = (room: string): string => `rooms/${encodeURIComponent(room)}`;
  let written = 0;
  let since: string | null = null;
  const read: Person['read'] = async (room) => {
    const page = await call<{ chunk: RoomEvent[] }>('GET', `${inRoom(room)}/messages?dir=b&limit=200`);
    return page.chunk.filter(({ type }) => type === 'm.room.message').toReversed();
  };
  return {
    ...{ id, token, call, read },
    join: async (room) => void (await call('POST', `join/${encodeURIComponent(room)}`, {})),
    invitations: async () => {
      type Synced = { next_batch: string; rooms?: { invite?: Record<string, unknown> } };
      // Synapse answers a first sync from its memory for two minutes: only what is new is told at once.
      const answer = await call<Synced>('GET', `sync?timeout=0${since === null ? '' : `&since=${since}`}`);
      since = answer.next_batch;
      return Object.keys(answer.rooms?.invite ?? {});
    },
    write: async (room, body, more = {}) => {
      written += 1;
      const path = `${inRoom(room)}/send/m.room.message/w${written}`;
      return (await call<{ event_id: string }>('PUT', path, { msgtype: 'm.text', body, ...more })).event_id;
    },
    sees: (room, words) =>
      until(
        async () => (await read(room)).find(({ content }) => content.body?.includes(words)) ?? null,
        { everyMs: 100, limitMs: LIMIT_MS },
        () => new Error(`${id} does not see "${words}" in ${room}`),
      ),
  };
}
