import type { AppError } from '../contract/errors.ts';

/** An error before there is a message to answer. */
export const rpcError = (status: number, code: number, message: string): Response =>
  Response.json({ jsonrpc: '2.0', error: { code, message }, id: null }, { status });

/** Why a request does not get as far as the protocol, in the protocol's form. */
export function refuse(error: AppError): Response {
  switch (error.code) {
    case 'unauthorized': {
      const refused = rpcError(401, -32_001, 'Unauthorized');
      refused.headers.set('WWW-Authenticate', 'Bearer');
      return refused;
    }
    case 'foreign_origin':
      return rpcError(403, -32_001, 'Forbidden: Invalid origin');
    case 'forbidden':
      return rpcError(403, -32_001, `Forbidden: ${error.message}`);
    case 'overloaded':
      return rpcError(503, -32_000, error.message);
    default:
      return rpcError(500, -32_603, 'Internal server error');
  }
}
