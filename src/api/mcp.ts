import type { Context } from 'hono';
import { AppError } from '../contract/errors.ts';
import { bearerOf } from './auth.ts';
import type { ApiEnv } from './operations.ts';

/** The MCP server, as this door sees it. */
export type McpHttp = {
  /** Answers a request whose Host, Origin and token were found good. */
  readonly handle: (
    request: Request,
    sender: { readonly token: string; readonly tokenId: string },
  ) => Promise<Response>;
  /** A refusal in the protocol's form. */
  readonly refuse: (error: AppError) => Response;
  /** What anybody may know, without a token. */
  readonly health: () => Promise<{ readonly status: 'healthy' | 'degraded' | 'unhealthy' }>;
};

export const MCP_PATH = '/mcp';
export const HEALTH_PATH = '/health';

/** @throws AppError unauthorized for a browser's cookie: the protocol's clients have a token of their own */
export async function answerMcp(context: Context<ApiEnv>, mcp: McpHttp): Promise<Response> {
  const token = bearerOf(context.env.incoming.headers);
  if (token === null) throw new AppError('unauthorized', 'MCP wants Authorization: Bearer <token>');
  const { caller, tokenId } = context.get('verified');
  if (caller.scope === 'node') throw new AppError('forbidden', 'the token of a node is for nothing else');
  return await mcp.handle(context.req.raw, { token, tokenId });
}

export async function answerHealth(context: Context<ApiEnv>, mcp: McpHttp): Promise<Response> {
  const health = await mcp.health();
  return context.json(health, health.status === 'unhealthy' ? 503 : 200);
}
