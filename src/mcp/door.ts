import {
  createMcpHandler,
  isJsonContentType,
  isLegacyRequest,
  type McpHttpHandler,
  readRequestBody,
  type Server,
} from '@modelcontextprotocol/server';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import { rpcError } from './rpc.ts';
import { makeServer } from './server.ts';
import { SESSION_LIMITS, type Sender, type SessionLimits, Sessions } from './sessions.ts';

const MAX_BODY_BYTES = 10 * 1024 * 1024;

export type McpDoorParts = {
  /** A client of this daemon that carries the caller's own token. */
  readonly connect: (token: string) => Client;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly limits?: Partial<SessionLimits>;
};

/** MCP over streamable HTTP, for clients with sessions (2025) and without (2026) at one address. */
export class McpDoor {
  readonly #sessions: Sessions;
  readonly #stateless: McpHttpHandler;

  constructor(parts: McpDoorParts) {
    const onError = (error: Error): void => parts.log.info({ err: error }, 'an MCP client made a mistake, or has gone');
    const serverFor = (token: string): Server => makeServer({ client: parts.connect(token), version: parts.version });
    this.#sessions = new Sessions({
      makeServer: ({ token }) => serverFor(token),
      clock: parts.clock,
      limits: { ...SESSION_LIMITS, ...parts.limits },
      onError,
    });
    this.#stateless = createMcpHandler(({ authInfo }) => serverFor(authInfo?.token ?? ''), {
      legacy: 'reject',
      maxRequestBodySize: MAX_BODY_BYTES,
      onerror: onError,
    });
  }

  /** Answers a request whose Host, Origin and token were found good. */
  async handle(request: Request, sender: Sender): Promise<Response> {
    if (!['GET', 'POST', 'DELETE'].includes(request.method)) {
      const refused = rpcError(405, -32_000, 'Method not allowed.');
      refused.headers.set('Allow', 'GET, POST, DELETE');
      return refused;
    }
    if (request.method !== 'POST') return await this.#sessions.handle(request, undefined, sender);
    if (!isJsonContentType(request.headers.get('content-type'))) {
      return rpcError(415, -32_000, 'Unsupported Media Type: Content-Type must be application/json');
    }
    const body = await readRequestBody(request, MAX_BODY_BYTES);
    if (body.tooLarge) return rpcError(413, -32_000, `Request body is larger than ${MAX_BODY_BYTES} bytes`);
    const parsed = parseJson(body.text);
    if (parsed === undefined) return rpcError(400, -32_700, 'Parse error: Invalid JSON');
    if (await isLegacyRequest(request, parsed)) return await this.#sessions.handle(request, parsed, sender);
    const authInfo = { token: sender.token, clientId: sender.tokenId, scopes: [] };
    return await this.#stateless.fetch(request, { parsedBody: parsed, authInfo });
  }

  get counts(): Sessions['counts'] {
    return this.#sessions.counts;
  }

  async close(): Promise<void> {
    await Promise.all([this.#sessions.close(), this.#stateless.close()]);
  }
}

/** Undefined for what is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
