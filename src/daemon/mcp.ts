import type { Health } from '../api/delegation-handlers.ts';
import type { McpHttp } from '../api/mcp.ts';
import { systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { createClient } from '../client/client.ts';
import type { McpDoor } from '../mcp/door.ts';
import { refuse } from '../mcp/rpc.ts';
import { SESSION_VERSIONS, STATELESS_VERSION } from '../mcp/versions.ts';
import { localFetch } from './local-fetch.ts';
import { VERSION } from './version.ts';

type Parts = {
  readonly log: Log;
  readonly urlNow: () => string;
  readonly startedAt: number;
  readonly health: () => Health;
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
  return {
    refuse,
    handle: async (request, sender) => {
      opened ??= open();
      return (await opened).handle(request, sender);
    },
    health: async () => healthOf(parts, door),
    close: async () => (await opened)?.close(),
  };
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MB`;

/** Names no path, no host beside the bound one, and no secret. */
function healthOf({ urlNow, startedAt, health }: Parts, door: McpDoor | null) {
  const { status, dependencies } = health();
  const { heapUsed, heapTotal, external, rss } = process.memoryUsage();
  const { sessions, events, withEvents } = door?.counts ?? { sessions: 0, events: 0, withEvents: 0 };
  return {
    status,
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
