import { randomUUID } from 'node:crypto';
import {
  isInitializeRequest,
  type Server,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import type { Clock } from '../base/clock.ts';
import { SessionEvents } from './event-store.ts';
import { rpcError } from './rpc.ts';
import { onStreamEnd, withOneAnswer } from './streams.ts';
import { SESSION_VERSIONS } from './versions.ts';

export type SessionLimits = { readonly maxSessions: number; readonly idleMs: number };
export const SESSION_LIMITS: SessionLimits = { maxSessions: 1_000, idleMs: 3_600_000 };

/** Who sends: another token does not get into a session, whatever id it knows. */
export type Sender = { readonly token: string; readonly tokenId: string };

type Session = {
  readonly server: Server;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  readonly events: SessionEvents;
  readonly tokenId: string;
  lastUsedAt: number;
  openStreams: number;
};

type Parts = {
  readonly makeServer: (sender: Sender) => Server;
  readonly clock: Clock;
  readonly limits: SessionLimits;
  readonly onError: (error: Error) => void;
};

/** Clients of the protocol versions that have sessions: a server object of its own for each. */
export class Sessions {
  readonly #parts: Parts;
  readonly #sessions = new Map<string, Session>();
  #cancelSweep: (() => void) | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get counts(): { readonly sessions: number; readonly events: number; readonly withEvents: number } {
    const totals = [...this.#sessions.values()].map(({ events }) => events.total);
    return {
      sessions: this.#sessions.size,
      events: totals.reduce((sum, total) => sum + total, 0),
      withEvents: totals.filter((total) => total > 0).length,
    };
  }

  /** `body` is the parsed JSON of a POST. */
  async handle(request: Request, body: unknown, sender: Sender): Promise<Response> {
    const id = request.headers.get('mcp-session-id');
    const isFirst = request.method === 'POST' && isInitialize(body);
    const version = request.headers.get('mcp-protocol-version');
    if (!isFirst && version !== null && !SESSION_VERSIONS.some((served) => served === version)) {
      const served = SESSION_VERSIONS.join(', ');
      return rpcError(400, -32_000, `Unsupported MCP protocol version: ${version}. Supported: ${served}`);
    }
    if (isFirst && id === null) return await this.#open(request, body, sender);
    if (id === null) return withoutSession(request.method);
    const session = this.#sessions.get(id);
    if (!session || session.tokenId !== sender.tokenId) return rpcError(404, -32_001, 'Session not found');
    session.lastUsedAt = this.#parts.clock.now();
    if (request.method === 'DELETE') return await this.#end(id, session);
    return await this.#serve(session, request, body, sender);
  }

  async close(): Promise<void> {
    this.#cancelSweep?.();
    await Promise.all([...this.#sessions].map(([id, session]) => this.#drop(id, session)));
  }

  async #open(request: Request, body: unknown, sender: Sender): Promise<Response> {
    await this.#makeRoom();
    if (this.#sessions.size >= this.#parts.limits.maxSessions) {
      return rpcError(503, -32_000, `${this.#sessions.size} sessions are open already`);
    }
    const events = new SessionEvents(this.#parts.clock);
    const server = this.#parts.makeServer(sender);
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: events,
      onsessioninitialized: (id) => {
        const lastUsedAt = this.#parts.clock.now();
        this.#sessions.set(id, { server, transport, events, tokenId: sender.tokenId, lastUsedAt, openStreams: 0 });
        this.#armSweep();
      },
    });
    await server.connect(transport);
    server.onerror = this.#parts.onError;
    const answer = await transport.handleRequest(streamable(request), { parsedBody: body, authInfo: infoOf(sender) });
    // Refused: nobody can come back to it.
    if (transport.sessionId === undefined) await server.close();
    return withOneAnswer(request, answer);
  }

  async #serve(session: Session, request: Request, body: unknown, sender: Sender): Promise<Response> {
    const options = { authInfo: infoOf(sender), ...(request.method === 'POST' && { parsedBody: body }) };
    const answer = await session.transport.handleRequest(streamable(request), options);
    if (request.method !== 'GET' || answer.body === null) return withOneAnswer(request, answer);
    session.openStreams += 1;
    return onStreamEnd(answer, () => {
      session.openStreams -= 1;
      session.lastUsedAt = this.#parts.clock.now();
    });
  }

  async #end(id: string, session: Session): Promise<Response> {
    await this.#drop(id, session);
    return Response.json({ jsonrpc: '2.0', result: { terminated: true } });
  }

  async #drop(id: string, session: Session): Promise<void> {
    this.#sessions.delete(id);
    await session.server.close();
  }

  /** Who does not come back makes room. A session whose stream is open is in use. */
  async #makeRoom(): Promise<void> {
    const { clock, limits } = this.#parts;
    const oldest = clock.now() - limits.idleMs;
    const idle = [...this.#sessions].filter(([, { openStreams }]) => openStreams === 0);
    const old = idle.filter(([, { lastUsedAt }]) => lastUsedAt < oldest);
    const isFull = this.#sessions.size - old.length >= limits.maxSessions;
    const [least] = isFull ? idle.sort(([, a], [, b]) => a.lastUsedAt - b.lastUsedAt) : [];
    await Promise.all([...old, ...(least ? [least] : [])].map(([id, session]) => this.#drop(id, session)));
  }

  #armSweep(): void {
    if (this.#cancelSweep !== null) return;
    this.#cancelSweep = this.#parts.clock.after(this.#parts.limits.idleMs / 4, () => {
      this.#cancelSweep = null;
      void this.#makeRoom().then(() => this.#sessions.size > 0 && this.#armSweep());
    });
  }
}

const isInitialize = (body: unknown): boolean =>
  Array.isArray(body) ? body.some((one) => isInitializeRequest(one)) : isInitializeRequest(body);

/** The transport wants a client that takes streams; the body was read already. */
function streamable(request: Request): Request {
  const headers = new Headers(request.headers);
  headers.set('Accept', 'application/json, text/event-stream');
  return new Request(request.url, { method: request.method, headers, signal: request.signal });
}

const infoOf = ({ token, tokenId }: Sender) => ({ token, clientId: tokenId, scopes: [] });

function withoutSession(method: string): Response {
  if (method === 'GET') return new Response('Session ID required', { status: 400 });
  if (method === 'DELETE') return rpcError(400, -32_000, 'Bad Request: No session ID provided');
  return rpcError(400, -32_000, 'Bad Request: No valid session ID provided');
}
