import type { McpHttp } from '../api/mcp.ts';
import { systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { createClient } from '../client/client.ts';
import type { ProjectionStatus } from '../contract/webhook.ts';
import type { Engine } from '../engine/engine.ts';
import type { McpDoor } from '../mcp/door.ts';
import { refuse } from '../mcp/rpc.ts';
import { SESSION_VERSIONS, STATELESS_VERSION } from '../mcp/versions.ts';
import type { Store } from '../store/store.ts';
import { localFetch } from './local-fetch.ts';
import { VERSION } from './version.ts';

/** Anybody may ask for the health, without a token: the store is tried at most so often. */
const TRY_EVERY_MS = 5_000;
const HEALTH_KEY = 'health.tried';

type Parts = {
  readonly store: Store;
  readonly engine: Engine;
  readonly log: Log;
  readonly urlNow: () => string;
  readonly startedAt: number;
  readonly projections: () => readonly ProjectionStatus[];
};

/**
 * The MCP server of this daemon: a client of its own HTTP API that carries the caller's token. Loaded with the first
 * caller: most daemons have none (Node 24.21: 60 ms and 15 MB).
 */
export function mcpHttp(parts: Parts): McpHttp & { readonly close: () => Promise<void> } {
  let opened: Promise<McpDoor> | null = null;
  let door: McpDoor | null = null;
  const open = async (): Promise<McpDoor> => {
    const { McpDoor } = await import('../mcp/door.ts');
    door = new McpDoor({
      connect: (token) => createClient({ url: parts.urlNow(), token, fetch: localFetch }),
      clock: systemClock,
      log: parts.log,
      version: VERSION,
    });
    return door;
  };
  const canWrite = writeProbe(parts.store, parts.log);
  return {
    refuse,
    handle: async (request, sender) => {
      opened ??= open();
      return (await opened).handle(request, sender);
    },
    health: async () => healthOf(parts, door, canWrite()),
    close: async () => (await opened)?.close(),
  };
}

function writeProbe(store: Store, log: Log): () => boolean {
  let last = { at: Number.NEGATIVE_INFINITY, canWrite: true };
  return () => {
    const at = systemClock.now();
    if (at - last.at < TRY_EVERY_MS) return last.canWrite;
    try {
      store.commit((tx) => tx.meta.set(HEALTH_KEY, String(at)));
      last = { at, canWrite: true };
    } catch (error) {
      log.warn({ err: error }, 'the store cannot be written to');
      last = { at, canWrite: false };
    }
    return last.canWrite;
  };
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MB`;

/** What the last delivery has shown: nothing is asked for this. */
function seen(bridge: ProjectionStatus | undefined): { readonly status: string; readonly checked_at?: number | null } {
  if (bridge === undefined) return { status: 'off' };
  const { state, lastDeliveredAt, lastError } = bridge;
  if (state !== 'ok') return { status: 'down', checked_at: lastError?.at ?? null };
  return { status: lastDeliveredAt === null ? 'unknown' : 'ok', checked_at: lastDeliveredAt };
}

/** Names no path, no host beside the bound one, and no secret. */
function healthOf({ engine, urlNow, startedAt, projections }: Parts, door: McpDoor | null, canWrite: boolean) {
  const { heapUsed, heapTotal, external, rss } = process.memoryUsage();
  const { sessions, events, withEvents } = door?.counts ?? { sessions: 0, events: 0, withEvents: 0 };
  const dependencies = {
    letta: seen(projections().find(({ name }) => name === 'letta')),
    matrix: seen(projections().find(({ name }) => name === 'matrix')),
    container: { status: 'off' },
    ...engine.delegations.load().dependencies,
  };
  const isDown = Object.values(dependencies).some(({ status }) => status === 'down');
  return {
    status: canWrite ? (isDown ? ('degraded' as const) : ('healthy' as const)) : ('unhealthy' as const),
    service: 'gantry',
    transport: 'streamable_http',
    protocol_version: SESSION_VERSIONS[0],
    supported_versions: [STATELESS_VERSION, ...SESSION_VERSIONS],
    sessions,
    uptime: (systemClock.now() - startedAt) / 1_000,
    timestamp: new Date(systemClock.now()).toISOString(),
    memory: {
      heapUsed: megabytes(heapUsed),
      heapTotal: megabytes(heapTotal),
      external: megabytes(external),
      rss: megabytes(rss),
    },
    eventStore: { totalEvents: events, sessionsWithEvents: withEvents },
    security: { origin_validation: true, localhost_binding: true, bound_host: new URL(urlNow()).hostname },
    version: VERSION,
    dependencies,
  };
}
