import { Server, type ServerContext } from '@modelcontextprotocol/server';
import type { Client } from '../client/client.ts';
import { bridgeTools } from './bridge-tools.ts';
import { callTool } from './call-tool.ts';
import { isAllowed, OPERATION_TOOLS } from './operation-tools.ts';
import { capabilitiesOf, hasNoSession } from './peer.ts';
import { elicitBy, inRounds } from './person.ts';
import { progressTeller } from './progress.ts';
import { getPrompt, listPrompts } from './prompts.ts';
import { addTasks, asTask, isHandingOver, isWantedAsTask, TASK_CAPABILITIES } from './protocol-tasks.ts';
import { listResources, RESOURCE_TEMPLATES, readResource } from './resources.ts';
import { jsonSchemaOf } from './task-schemas.ts';
import { TASK_TOOLS } from './task-tools.ts';
import type { Tool, ToolContext } from './tool.ts';
import { SESSION_VERSIONS, STATELESS_VERSION } from './versions.ts';

export type ServerParts = {
  readonly client: Client;
  readonly version: string;
  /** The server is a bridge: an agent program asks the person by it, and can do nothing else. */
  readonly bridge?: { readonly session: string; readonly directory: string } | undefined;
};

const INSTRUCTIONS =
  'Gantry carries tasks out with coding agents. Hand one over with opencode_execute_task, follow it with get_task_status or wait_task, steer it with send_task_message and send_task_control, and look at its work with get_task_files, read_task_file and get_task_diff. Its own agents have messages_send, messages_list and progress_report in place of these.';

const BRIDGE_INSTRUCTIONS =
  'Reaches the person: ask_user for a question, request_permission before something risky, pick_file for a file, report_progress to tell how far the work is.';

/** A server for one client. It keeps nothing: every answer comes from the daemon, by the client's own token. */
export function makeServer({ client, version, bridge }: ServerParts): Server {
  const server = new Server(
    { name: 'gantry', title: 'Gantry', version },
    {
      capabilities: bridge ? { tools: {} } : { tools: {}, resources: {}, prompts: {}, ...TASK_CAPABILITIES },
      instructions: bridge ? BRIDGE_INSTRUCTIONS : INSTRUCTIONS,
      supportedProtocolVersions: [...SESSION_VERSIONS, STATELESS_VERSION],
    },
  );
  const source = (): string => server.getClientVersion()?.name || 'agent';
  const tools: readonly Tool[] = bridge ? bridgeTools({ ...bridge, source }) : [...TASK_TOOLS, ...OPERATION_TOOLS];
  server.setRequestHandler('tools/list', async () => {
    if (bridge) return { tools: tools.map(listedTool) };
    const me = await client.call('whoami', {});
    const allowed = OPERATION_TOOLS.filter(({ operation }) => isAllowed(operation, me));
    return { tools: [...(me.agent === null ? TASK_TOOLS : []), ...allowed].map(listedTool) };
  });
  addCalls(server, tools, { client, version, isBridge: bridge !== undefined });
  return server;
}

type CallParts = Pick<ServerParts, 'client' | 'version'> & { readonly isBridge: boolean };

function addCalls(server: Server, tools: readonly Tool[], { client, version, isBridge }: CallParts): void {
  const capabilities = (context: ServerContext) => capabilitiesOf(server, context);
  const hasPerson = (context: ServerContext): boolean => capabilities(context).elicitation !== undefined;
  const contextOf = (context: ServerContext): ToolContext => ({
    client,
    version,
    callerId: callerOf(context),
    signal: context.mcpReq.signal,
    progress: null,
    elicit: hasPerson(context) && !hasNoSession(context) ? elicitBy(context) : null,
    isTask: false,
  });
  const parts = { client, contextOf, capabilities };
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    const { name, arguments: args } = params;
    const isTask = !isBridge && isWantedAsTask(context, capabilities(context), name, params);
    const progress = progressTeller(context);
    const call = (tool: string, given: typeof args, more: Partial<ToolContext> = {}) =>
      callTool(tools, tool, given, { ...contextOf(context), progress: progress?.tell ?? null, ...more });
    try {
      if (isTask) return await asTask(context, parts, await call(name, args, { isTask }));
      if (isBridge || !hasPerson(context) || !hasNoSession(context)) return await call(name, args);
      return await inRounds(context, client, (round, person) =>
        // The task was handed over in the first round: what is left is to wait for it.
        round && isHandingOver(name)
          ? call('wait_task', { task_id: round.task, wait_ms: args?.wait_ms }, person)
          : call(name, args, person),
      );
    } finally {
      await progress?.end();
    }
  });
  if (isBridge) return;
  addReading(server, client);
  addTasks(server, parts);
}

/** What is read without a tool. */
function addReading(server: Server, client: Client): void {
  server.setRequestHandler('resources/list', async () => ({ resources: await listResources(client) }));
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: [...RESOURCE_TEMPLATES] }));
  server.setRequestHandler('resources/read', async ({ params }) => await readResource(client, params.uri));
  server.setRequestHandler('prompts/list', () => ({ prompts: listPrompts() }));
  server.setRequestHandler('prompts/get', ({ params }) => getPrompt(params.name, params.arguments));
}

function listedTool({ name, description, input, output, isReadOnly }: Tool) {
  return {
    name,
    description,
    inputSchema: jsonSchemaOf(input, 'input'),
    ...(output && { outputSchema: jsonSchemaOf(output, 'output') }),
    annotations: { readOnlyHint: isReadOnly },
    ...(isHandingOver(name) && { execution: { taskSupport: 'optional' as const } }),
  };
}

const callerOf = ({ http }: ServerContext): string | null => http?.req?.headers.get('x-agent-id') ?? null;
