import { AppError } from '../../contract/errors.ts';
import { VERSION } from '../../daemon/version.ts';
import { defineCommand, words } from '../command.ts';

const SERVER = { command: 'gantry', args: ['mcp'] };

/** What a program's own configuration says to start this server, and in which file. No token: it is read from the home. */
const SNIPPETS: Readonly<Record<string, { readonly file: string; readonly content: object }>> = {
  opencode: {
    file: 'opencode.json',
    content: { mcp: { gantry: { type: 'local', command: ['gantry', 'mcp'], enabled: true } } },
  },
  claude: { file: '.mcp.json', content: { mcpServers: { gantry: { type: 'stdio', ...SERVER } } } },
  cursor: { file: '.cursor/mcp.json', content: { mcpServers: { gantry: SERVER } } },
  vscode: { file: '.vscode/mcp.json', content: { servers: { gantry: { type: 'stdio', ...SERVER } } } },
};

export const mcp = defineCommand({
  arguments: {
    what: words('config', '`config <program>` prints what that program needs; without it, the server runs'),
  },
  details: [
    'Speaks MCP on standard input and output, for one client. The daemon serves the same at /mcp.',
    `gantry mcp config ${Object.keys(SNIPPETS).join('|')}`,
  ],
  run: async ({ client, stdin, output }, { what }) => {
    if (what !== undefined) {
      const { file, content } = snippetFor(what);
      output.result(content, () => JSON.stringify(content, null, 2).split('\n'));
      output.note(`Merge it into ${file}.`);
      return;
    }
    const daemon = await client();
    const { serveStreams } = await import('../../mcp/stdio.ts');
    await serveStreams(
      { client: daemon, version: VERSION },
      { input: stdin, output: process.stdout, onError: (error) => output.note(error.message) },
    );
  },
});

function snippetFor(what: string) {
  const accepted = Object.keys(SNIPPETS).map((name) => `config ${name}`);
  const snippet = Object.entries(SNIPPETS).find(([name]) => what === `config ${name}`)?.[1];
  if (!snippet) throw new AppError('usage', `"${what}" is not accepted here`, { details: { accepted } });
  return snippet;
}
