import { Server, type ServerContext } from '@modelcontextprotocol/server';
import type { Client } from '../client/client.ts';
import { callTool } from './call-tool.ts';
import { isAllowed, OPERATION_TOOLS } from './operation-tools.ts';
import { progressTeller } from './progress.ts';
import { jsonSchemaOf } from './task-schemas.ts';
import { TASK_TOOLS } from './task-tools.ts';
import type { Tool } from './tool.ts';
import { SESSION_VERSIONS, STATELESS_VERSION } from './versions.ts';

export type ServerParts = {
  readonly client: Client;
  readonly version: string;
};

const INSTRUCTIONS =
  'Gantry carries tasks out with coding agents. Hand one over with opencode_execute_task, follow it with get_task_status or wait_task, steer it with send_task_message and send_task_control, and look at its work with get_task_files, read_task_file and get_task_diff.';

/** A server for one client. It keeps nothing: every answer comes from the daemon, by the client's own token. */
export function makeServer({ client, version }: ServerParts): Server {
  const server = new Server(
    { name: 'gantry', title: 'Gantry', version },
    {
      capabilities: { tools: {} },
      instructions: INSTRUCTIONS,
      supportedProtocolVersions: [...SESSION_VERSIONS, STATELESS_VERSION],
    },
  );
  const tools: readonly Tool[] = [...TASK_TOOLS, ...OPERATION_TOOLS];
  server.setRequestHandler('tools/list', async () => {
    const me = await client.call('whoami', {});
    const allowed = OPERATION_TOOLS.filter(({ operation }) => isAllowed(operation, me));
    return { tools: [...TASK_TOOLS, ...allowed].map(listedTool) };
  });
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    const progress = progressTeller(context);
    const result = await callTool(tools, params.name, params.arguments, {
      client,
      version,
      callerId: callerOf(context),
      signal: context.mcpReq.signal,
      progress: progress?.tell ?? null,
    });
    await progress?.end();
    return result;
  });
  return server;
}

function listedTool({ name, description, input, output, isReadOnly }: Tool) {
  return {
    name,
    description,
    inputSchema: jsonSchemaOf(input, 'input'),
    ...(output && { outputSchema: jsonSchemaOf(output, 'output') }),
    annotations: { readOnlyHint: isReadOnly },
  };
}

const callerOf = ({ http }: ServerContext): string | null => http?.req?.headers.get('x-agent-id') ?? null;
