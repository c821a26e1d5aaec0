import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { getRequestListener, RequestError } from '@hono/node-server';
import type { Clock } from '../base/clock.ts';
import type { Family } from '../base/exposition.ts';
import type { Log } from '../base/log.ts';
import { within } from '../base/wait.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import type { Access } from './access.ts';
import { makeApp } from './app.ts';
import { cookieName } from './auth.ts';
import { KEEP_ALIVE_S } from './events/answer.ts';
import { EventDoor, type EventParts } from './events/door.ts';
import { PostFront } from './events/front.ts';
import { FactPages, type JournalReader } from './fact-pages.ts';
import type { StreamLimits } from './fact-reader.ts';
import type { Handlers } from './handlers.ts';
import { type IdempotencyKeys, IdempotentRuns } from './idempotency.ts';
import { type Listening, listen } from './listen.ts';
import type { McpHttp } from './mcp.ts';
import { PROBLEM_TYPE, problemOf } from './problem.ts';
import { servedHosts } from './site.ts';
import { type OnCommit, STREAM_LIMITS, Streams } from './streams.ts';
import { type NodeDoor, upgrade } from './upgrade.ts';

export type ApiLimits = StreamLimits & {
  readonly maxBodyBytes: number;
  /** Nesting of a JSON body. */
  readonly maxDepth: number;
};

/** A page that looks on must not cost each event what it costs to read one: nobody sees that it comes so much later. */
const EVENTS_AFTER_MS = 20;

export const API_LIMITS: ApiLimits = { ...STREAM_LIMITS, maxBodyBytes: 8_000_000, maxDepth: 100 };

export type ApiParts = {
  readonly handlers: Handlers;
  readonly access: Access;
  readonly idempotency: IdempotencyKeys;
  readonly journal: JournalReader;
  readonly events: EventParts;
  readonly onCommit: OnCommit;
  readonly clock: Clock;
  readonly log: Log;
  /** An address of this machine; loopback unless the person says otherwise. */
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Further `Host` values that are served: `name` or `name:port`. */
  readonly names?: readonly string[];
  readonly limits?: Partial<ApiLimits>;
  readonly version: string;
  readonly nodes: NodeDoor;
  /** Absent: MCP is not served. */
  readonly mcp?: McpHttp;
  /** Why the daemon cannot take work now, in words; null if it can. */
  readonly notReady: () => string | null;
  /** What the daemon measures. */
  readonly metrics: () => Promise<readonly Family[]>;
};

export type Api = {
  readonly url: string;
  readonly port: number;
  /** Takes nothing new, lets running calls end for at most `graceMs`, then cuts them off. */
  readonly close: (graceMs: number) => Promise<void>;
};

/**
 * Serves the HTTP API.
 * @throws AppError port_in_use
 */
export async function startApi(parts: ApiParts): Promise<Api> {
  const limits = { ...API_LIMITS, ...parts.limits };
  const server = createServer({
    headersTimeout: 10_000,
    requestTimeout: 60_000,
    keepAliveTimeout: KEEP_ALIVE_S * 1_000,
    shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
  });
  const listening = await listen(server, parts.host, parts.port);
  const { port } = listening;
  const streams = new Streams({ ...parts, limits, isTalkative: false, eventsAfterMs: EVENTS_AFTER_MS });
  const site = { hosts: servedHosts(port, parts.names ?? []), cookie: cookieName(port) };
  const door = new EventDoor({ ...parts, ...parts.events, ...site, limits: parts.events.limits ?? {} });
  const shared = { ...parts, ...site, streams, door, facts: new FactPages(parts.journal) };
  const app = makeApp({
    ...shared,
    runs: new IdempotentRuns(parts.idempotency),
    bodyLimits: { maxBytes: limits.maxBodyBytes, maxDepth: limits.maxDepth },
    onRightsChanged: () => {
      streams.recheck();
      door.recheck();
      parts.nodes.recheck();
    },
  });
  const listener = getRequestListener((request, env) => app.fetch(request, env), {
    overrideGlobalObjects: false,
    errorHandler: (error) => {
      const isBad = error instanceof RequestError;
      const problem = problemOf(isBad ? new AppError('bad_request', error.message) : toAppError(error));
      return new Response(JSON.stringify(problem), {
        status: problem.status,
        headers: { 'Content-Type': PROBLEM_TYPE },
      });
    },
  });
  server.on('error', (error) => parts.log.error({ err: error }, 'a connection could not be accepted'));
  server.on('request', (incoming, outgoing) => {
    // A closing server must not wait for connections that are kept alive after their last answer.
    outgoing.once('close', () => {
      if (!server.listening) setImmediate(() => server.closeIdleConnections());
    });
    if (!door.handle(incoming, outgoing)) void listener(incoming, outgoing);
  });
  const front = frontOf(server, door);
  server.on('upgrade', (incoming, socket, head) => void upgrade(incoming, socket, head, shared));
  const name = parts.host.includes(':') ? `[${parts.host}]` : parts.host;
  return {
    url: `http://${name}:${port}`,
    port,
    close: (graceMs) => {
      const closing = close(server, listening, [streams, door.streams], graceMs);
      front.close();
      parts.nodes.close();
      return closing;
    },
  };
}

/** From now on connections come to the front first, and from there to the server's own listener. */
function frontOf(server: Server, door: EventDoor): PostFront {
  const [serve] = server.listeners('connection');
  if (serve === undefined) throw new AppError('internal', 'the HTTP server listens to no connection');
  server.off('connection', serve as (socket: Socket) => void);
  const front = new PostFront({
    take: (post, body) => door.takePlain(post, body),
    serve: (socket) => void serve.call(server, socket),
  });
  server.on('connection', (socket: Socket) => front.accept(socket));
  return front;
}

async function close(
  server: Server,
  listening: Listening,
  streams: readonly Streams[],
  graceMs: number,
): Promise<void> {
  const closed = listening.close();
  for (const one of streams) one.close();
  server.closeIdleConnections();
  // Browsers and Node's fetch open some ahead; to Node (24.21) they are not idle, and would be waited for.
  for (const socket of listening.connections) if (socket.bytesRead === 0) socket.destroy();
  try {
    await within(closed, graceMs, () => new AppError('timeout', 'calls are still running'));
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'timeout')) throw error;
    for (const one of streams) one.terminate();
    server.closeAllConnections();
    await closed;
  }
}
