import { z } from 'zod';
import { CallerId } from './delegation.ts';
import type { Operation } from './operation.ts';
import { Scope, TokenInfo } from './shapes.ts';

export const TOKEN_OPERATIONS = {
  'tokens.create': {
    method: 'POST',
    path: '/api/v1/tokens',
    scope: 'admin',
    summary: 'Make a token; its value is shown once',
    status: 200,
    input: z.object({
      name: z.string().min(1).max(64),
      scope: Scope,
      ttlMs: z.number().int().positive().optional(),
      /** Bound to these callers: it may delegate tasks in their names, and nothing else. */
      callers: z.array(CallerId).min(1).max(100).optional(),
      /** Bound to this app: it may report its events, and nothing of others. */
      sourceApp: z.string().min(1).max(256).optional(),
    }),
    output: z.object({ token: z.string(), info: TokenInfo }),
  },
  'tokens.list': {
    method: 'GET',
    path: '/api/v1/tokens',
    scope: 'admin',
    summary: 'Tokens, without their values',
    status: 200,
    input: z.object({}),
    output: z.object({ items: z.array(TokenInfo) }),
  },
  'tokens.revoke': {
    method: 'DELETE',
    path: '/api/v1/tokens/:id',
    scope: 'admin',
    summary: 'Make a token invalid at once',
    status: 200,
    input: z.object({ id: z.string() }),
    output: TokenInfo,
  },
  'login.create': {
    method: 'POST',
    path: '/api/v1/login-links',
    scope: 'admin',
    summary: 'A one-time link that logs a browser in; valid for five minutes',
    status: 200,
    input: z.object({}),
    output: z.object({ url: z.string(), expiresAt: z.number() }),
  },
} as const satisfies Record<string, Operation>;
