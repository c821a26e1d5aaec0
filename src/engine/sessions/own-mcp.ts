import type { OpenSpec } from '../../backends/backend.ts';
import type { BackendId } from '../../contract/ids.ts';
import type { Parts } from '../parts.ts';
import { capabilitiesOf } from '../scheduling/capabilities.ts';

/**
 * Gantry's own MCP server for one of its agents, by the agent's own token: it sends and reads messages as itself and tells
 * how far it is. It takes the place of a server of that name in the person's own configuration, which may be theirs.
 */
export function ownMcp(
  parts: Pick<Parts, 'backends' | 'store'>,
  backend: BackendId,
  { GANTRY_URL: url, GANTRY_TOKEN: token }: Readonly<Record<string, string>>,
): OpenSpec['mcp'] {
  if (!capabilitiesOf(parts, backend)?.mcp || url === undefined || token === undefined) return {};
  return { gantry: { type: 'remote', url: `${url}/mcp`, headers: { Authorization: `Bearer ${token}` } } };
}
