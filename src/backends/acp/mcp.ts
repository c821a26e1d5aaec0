import type { McpCapabilities, McpServer as WireServer } from '@agentclientprotocol/sdk/unstable';
import { AppError } from '../../contract/errors.ts';
import type { McpServer } from '../backend.ts';

/** Every agent takes servers on stdio. @throws AppError `unsupported` for a remote one that the agent cannot reach */
export function mcpServersOf(
  servers: Readonly<Record<string, McpServer>>,
  capabilities: McpCapabilities | undefined,
): WireServer[] {
  return Object.entries(servers).map(([name, server]) => {
    if (server.type === 'remote') {
      if (!capabilities?.http)
        throw new AppError('unsupported', `the agent has no "mcp" over HTTP, which ${name} needs`);
      return { type: 'http', name, url: server.url, headers: pairs(server.headers) };
    }
    const [command = '', ...args] = server.command;
    return { name, command, args, env: pairs(server.environment) };
  });
}

const pairs = (record: Readonly<Record<string, string>>): { name: string; value: string }[] =>
  Object.entries(record).map(([name, value]) => ({ name, value }));
