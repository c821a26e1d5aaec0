import { VERSION } from '../../daemon/version.ts';
import { defineCommand } from '../command.ts';

export const mcp = defineCommand({
  details: ['Speaks MCP on standard input and output, for one client. The daemon serves the same at /mcp.'],
  run: async ({ client, stdin, output }) => {
    const daemon = await client();
    const { serveStreams } = await import('../../mcp/stdio.ts');
    await serveStreams(
      { client: daemon, version: VERSION },
      { input: stdin, output: process.stdout, onError: (error) => output.note(error.message) },
    );
  },
});
