import type { McpCapabilities, McpServer as WireServer } from '@agentclientprotocol/sdk/unstable';
import type { McpServer } from '../backend.ts';

/** Every agent takes servers on stdio. `leftOut` is told of a remote one that the agent cannot reach. */
export function mcpServersOf(
  servers: Readonly<Record<string, McpServer>>,
  capabilities: McpCapabilities | undefined,
  leftOut: (text: string) => void,
): WireServer[] {
  return Object.entries(servers).flatMap(([name, server]): WireServer[] => {
    if (server.type === 'remote') {
      if (capabilities?.http) return [{ type: 'http', name, url: server.url, headers: pairs(server.headers) }];
      leftOut(`the MCP server "${name}" is not connected: the agent has no "mcp" over HTTP`);
      return [];
    }
    const [command = '', ...args] = server.command;
    return [{ name, command, args, env: pairs(server.environment) }];
  });
}

const pairs = (record: Readonly<Record<string, string>>): { name: string; value: string }[] =>
  Object.entries(record).map(([name, value]) => ({ name, value }));
