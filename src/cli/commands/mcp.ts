import { randomUUID } from 'node:crypto';
import { realpathSync } from 'node:fs';
import type { Client } from '../../client/client.ts';
import { AppError } from '../../contract/errors.ts';
import { connectionFrom } from '../../daemon/environment.ts';
import { findDaemon } from '../../daemon/find-daemon.ts';
import { VERSION } from '../../daemon/version.ts';
import { type Context, defineCommand, flag, words } from '../command.ts';
import { clientOf } from '../connect.ts';

type Snippet = {
  readonly where: string;
  /** For a client that starts the server. */
  readonly local: ((args: readonly string[]) => object) | null;
  /** For a client that calls the daemon. A token is never part of it: the client takes it from GANTRY_TOKEN, or asks for it. */
  readonly remote: (url: string) => object;
};

const server = (args: readonly string[]) => ({ command: 'gantry', args });
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

/** What a program's own configuration says to reach this server, and where it goes. */
const SNIPPETS: Readonly<Record<string, Snippet>> = {
  opencode: {
    where: 'Merge it into opencode.json.',
    local: (args) => ({ mcp: { gantry: { type: 'local', command: ['gantry', ...args], enabled: true } } }),
    remote: (url) => ({
      mcp: { gantry: { type: 'remote', url, headers: bearer('{env:GANTRY_TOKEN}'), oauth: false, enabled: true } },
    }),
  },
  claude: {
    where: 'Merge it into .mcp.json.',
    local: (args) => ({ mcpServers: { gantry: { type: 'stdio', ...server(args) } } }),
    remote: (url) => ({ mcpServers: { gantry: { type: 'http', url, headers: bearer(`\${GANTRY_TOKEN}`) } } }),
  },
  cursor: {
    where: 'Merge it into .cursor/mcp.json.',
    local: (args) => ({ mcpServers: { gantry: server(args) } }),
    remote: (url) => ({ mcpServers: { gantry: { url, headers: bearer(`\${env:GANTRY_TOKEN}`) } } }),
  },
  vscode: {
    where: 'Merge it into .vscode/mcp.json.',
    local: (args) => ({ servers: { gantry: { type: 'stdio', ...server(args) } } }),
    remote: (url) => ({
      inputs: [{ type: 'promptString', id: 'gantry-token', description: 'Token of Gantry', password: true }],
      servers: { gantry: { type: 'http', url, headers: bearer(`\${input:gantry-token}`) } },
    }),
  },
  letta: {
    where: 'POST it to /v1/mcp-servers of the Letta server.',
    local: null,
    remote: (url) => ({
      server_name: 'gantry',
      config: {
        mcp_server_type: 'streamable_http',
        server_url: url,
        auth_header: 'Authorization',
        auth_token: 'Bearer <token>',
      },
    }),
  },
};

const TOKEN_NOTE = 'Its token, in GANTRY_TOKEN or where it is asked for: gantry token --scope operate --callers <name>';

export const mcp = defineCommand({
  arguments: {
    what: words('config', '`config <program>` prints what that program needs; without it, the server runs'),
  },
  options: {
    bridge: flag('--bridge', 'for an agent program: tools that ask the person at Gantry, and no others'),
    remote: flag('--remote', 'with config: by HTTP, for a client that starts no program'),
  },
  details: [
    'Speaks MCP on standard input and output, for one client. The daemon serves the same at /mcp.',
    `gantry mcp config ${Object.keys(SNIPPETS).join('|')} [--bridge | --remote]`,
  ],
  run: async (context, { what, bridge, remote }) => {
    const { client, stdin, output, directory } = context;
    if (what !== undefined) {
      if (bridge && remote)
        throw new AppError('bad_request', 'the bridge is started by its program: it has no --remote');
      const snippet = snippetFor(what);
      const isLocal = snippet.local !== null && !remote;
      const shown = isLocal
        ? snippet.local(bridge ? ['mcp', '--bridge'] : ['mcp'])
        : snippet.remote(`${await urlFrom(context)}/mcp`);
      output.result(shown, () => JSON.stringify(shown, null, 2).split('\n'));
      output.note(snippet.where);
      if (!isLocal) output.note(TOKEN_NOTE);
      return;
    }
    const daemon = bridge ? reconnecting(context, await client()) : await client();
    const { serveStreams } = await import('../../mcp/stdio.ts');
    await serveStreams(
      {
        client: daemon,
        version: VERSION,
        ...(bridge && { bridge: { session: randomUUID(), directory: realpathSync(directory) } }),
      },
      { input: stdin, output: process.stdout, onError: (error) => output.note(error.message) },
    );
  },
});

const urlFrom = async ({ globals, environment, home }: Context): Promise<string> =>
  globals.url ?? connectionFrom(environment).url ?? (await findDaemon(home))?.url ?? 'http://127.0.0.1:4000';

/** The daemon may come back at another address. It is not started anew: what asks must not bring back what was stopped. */
function reconnecting({ globals, environment, home }: Context, first: Client): Client {
  let current = first;
  const call: Client['call'] = async (...args) => {
    try {
      return await current.call(...args);
    } catch (error) {
      if (!(error instanceof AppError && ['daemon_unreachable', 'unauthorized'].includes(error.code))) throw error;
      const named = connectionFrom(environment);
      const found = (globals.url ?? named.url) === undefined ? await findDaemon(home) : null;
      if (found) current = clientOf(found.url, globals.token ?? named.token ?? found.token);
      throw error;
    }
  };
  return { ...first, call };
}

function snippetFor(what: string) {
  const accepted = Object.keys(SNIPPETS).map((name) => `config ${name}`);
  const snippet = Object.entries(SNIPPETS).find(([name]) => what === `config ${name}`)?.[1];
  if (!snippet) throw new AppError('usage', `"${what}" is not accepted here`, { details: { accepted } });
  return snippet;
}
