import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { programFile } from './programs.ts';
import type { World } from './world.ts';

const MAIN = programFile('cli/main');

/** A tool's answer, read as callers read it. */
export type Answer = {
  readonly isError: boolean;
  readonly text: string;
  /** The text as JSON. */
  readonly value: Record<string, never>;
  readonly structured: unknown;
};

export type McpClient = AsyncDisposable & {
  readonly client: Client;
  readonly tool: (
    name: string,
    args?: Record<string, unknown>,
    options?: Parameters<Client['callTool']>[1],
  ) => Promise<Answer>;
};

const wrap = (client: Client): McpClient => ({
  client,
  tool: async (name, args, options) => {
    const result = await client.callTool({ name, ...(args && { arguments: args }) }, { timeout: 120_000, ...options });
    const [first] = result.content;
    const text = first?.type === 'text' ? first.text : '';
    return {
      isError: result.isError === true,
      text,
      value: JSON.parse(text) as Record<string, never>,
      structured: result.structuredContent,
    };
  },
  [Symbol.asyncDispose]: () => client.close(),
});

/** A token of this world's daemon. */
export async function tokenOf(
  world: World,
  scope: 'operate' | 'read' | 'approve' | 'admin' = 'operate',
  callers?: readonly string[],
): Promise<string> {
  const given = { name: `test-${scope}`, scope, ...(callers && { callers: [...callers] }) };
  const { token } = await world.call('tokens.create', given);
  return token;
}

export type HttpOptions = {
  readonly token: string;
  readonly headers?: Record<string, string>;
  /** The protocol version without sessions, where it is wanted. */
  readonly isStateless?: boolean;
  readonly elicit?: Elicit;
};

/** The person at the client, who is asked by a form. */
type Elicit = (form: { readonly message: string }) => {
  readonly action: 'accept' | 'cancel';
  readonly content?: Record<string, string>;
};

function makeClient(elicit?: Elicit, isStateless = false): Client {
  const client = new Client(
    { name: 'test', version: '1.0.0' },
    {
      ...(isStateless && { versionNegotiation: { mode: { pin: '2026-07-28' } } }),
      ...(elicit && { capabilities: { elicitation: { form: {} } } }),
    },
  );
  if (elicit) client.setRequestHandler('elicitation/create', ({ params }) => elicit(params));
  return client;
}

export async function httpClient(
  world: World,
  { token, headers, isStateless, elicit }: HttpOptions,
): Promise<McpClient> {
  const client = makeClient(elicit, isStateless);
  const requestInit = { headers: { Authorization: `Bearer ${token}`, ...headers } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${world.client.url}/mcp`), { requestInit }));
  return wrap(client);
}

/** `gantry mcp --bridge`, started by an agent program that works in `cwd`. */
export async function bridgeClient(world: World, cwd: string = world.project.root): Promise<McpClient> {
  const client = makeClient();
  const args = [MAIN, 'mcp', '--bridge'];
  await client.connect(new StdioClientTransport({ command: process.execPath, args, env: world.env, cwd }));
  return wrap(client);
}

/** `gantry mcp`, as a program that knows no more than this would start it. */
export async function stdioClient(
  world: World,
  token: string,
  args: readonly string[] = [],
  elicit?: Elicit,
  isStateless?: boolean,
): Promise<McpClient> {
  const client = makeClient(elicit, isStateless);
  const env = { ...world.env, GANTRY_URL: world.client.url, GANTRY_TOKEN: token };
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [MAIN, 'mcp', ...args], env, cwd: world.root }),
  );
  return wrap(client);
}
