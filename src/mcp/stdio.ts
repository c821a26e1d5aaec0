import type { Readable, Writable } from 'node:stream';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { makeServer, type ServerParts } from './server.ts';

/** Serves one client over these streams until its side ends. Nothing but the protocol is written to `output`. */
export async function serveStreams(
  parts: ServerParts,
  {
    input,
    output,
    onError,
  }: { readonly input: Readable; readonly output: Writable; readonly onError: (error: Error) => void },
): Promise<void> {
  const ended = Promise.withResolvers<void>();
  for (const event of ['end', 'close'] as const) input.once(event, () => ended.resolve());
  output.once('error', () => ended.resolve());
  const handle = serveStdio(() => makeServer(parts), {
    transport: new StdioServerTransport(input, output),
    onerror: onError,
  });
  await ended.promise;
  await handle.close();
}
