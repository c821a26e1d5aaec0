import { randomUUID } from 'node:crypto';
import { realpathSync } from 'node:fs';
import type { Client } from '../../client/client.ts';
import { AppError } from '../../contract/errors.ts';
import { connectionFrom } from '../../daemon/environment.ts';
import { findDaemon } from '../../daemon/find-daemon.ts';
import { VERSION } from '../../daemon/version.ts';
import { type Context, defineCommand, flag, words } from '../command.ts';
import { clientOf } from '../connect.ts';

type Snippet = { readonly where: string; readonly content: (args: readonly string[], url: string) => object };

const server = (args: readonly string[]) => ({ command: 'gantry', args });

/** What a program's own configuration says to start this server, and where it goes. No token: it is read from the home. */
const SNIPPETS: Readonly<Record<string, Snippet>> = {
  opencode: {
    where: 'Merge it into opencode.json.',
    content: (args) => ({ mcp: { gantry: { type: 'local', command: ['gantry', ...args], enabled: true } } }),
  },
  claude: {
    where: 'Merge it into .mcp.json.',
    content: (args) => ({ mcpServers: { gantry: { type: 'stdio', ...server(args) } } }),
  },
  cursor: { where: 'Merge it into .cursor/mcp.json.', content: (args) => ({ mcpServers: { gantry: server(args) } }) },
  vscode: {
    where: 'Merge it into .vscode/mcp.json.',
    content: (args) => ({ servers: { gantry: { type: 'stdio', ...server(args) } } }),
  },
  letta: {
    where:
      'POST it to /v1/mcp-servers of the Letta server, with a token of: gantry token --scope operate --callers <name>',
    content: (_, url) => ({
      server_name: 'gantry',
      config: {
        mcp_server_type: 'streamable_http',
        server_url: `${url}/mcp`,
        auth_header: 'Authorization',
        auth_token: 'Bearer <token>',
      },
    }),
  },
};

export const mcp = defineCommand({
  arguments: {
    what: words('config', '`config <program>` prints what that program needs; without it, the server runs'),
  },
  options: {
    bridge: flag('--bridge', 'for an agent program: tools that ask the person at Gantry, and no others'),
  },
  details: [
    'Speaks MCP on standard input and output, for one client. The daemon serves the same at /mcp.',
    `gantry mcp config ${Object.keys(SNIPPETS).join('|')} [--bridge]`,
  ],
  run: async (context, { what, bridge }) => {
    const { client, stdin, output, directory } = context;
    if (what !== undefined) {
      const { where, content } = snippetFor(what);
      const shown = content(bridge ? ['mcp', '--bridge'] : ['mcp'], await urlFrom(context));
      output.result(shown, () => JSON.stringify(shown, null, 2).split('\n'));
      output.note(where);
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
