import {
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';

/** Whether the request is of a protocol version without sessions: it says itself what its client can do. */
export const hasNoSession = ({ mcpReq }: ServerContext): boolean => mcpReq.envelope !== undefined;

/** What the client can do; the library has checked its form. */
export function capabilitiesOf(server: Server, { mcpReq }: ServerContext): ClientCapabilities {
  if (mcpReq.envelope === undefined) return server.getClientCapabilities() ?? {};
  const { [CLIENT_CAPABILITIES_META_KEY]: given } = mcpReq.envelope as Readonly<Record<string, unknown>>;
  return (given ?? {}) as ClientCapabilities;
}
