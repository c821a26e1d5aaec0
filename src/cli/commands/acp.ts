import { Readable, Writable } from 'node:stream';
import { ndJsonStream } from '@agentclientprotocol/sdk';
import { acpAgent } from '../../acp/agent.ts';
import { VERSION } from '../../daemon/version.ts';
import { defineCommand } from '../command.ts';
import { SUBMIT_OPTIONS } from '../request.ts';

export const acp = defineCommand({
  options: {
    backend: SUBMIT_OPTIONS.backend,
    model: SUBMIT_OPTIONS.model,
    role: SUBMIT_OPTIONS.role,
    maxParallel: SUBMIT_OPTIONS.maxParallel,
    budgetUsd: SUBMIT_OPTIONS.budgetUsd,
  },
  details: [
    'Speaks the Agent Client Protocol on standard input and output: to be named as an agent in an editor such as Zed.',
  ],
  run: async ({ client, stdin }, request) => {
    const daemon = await client();
    const { closed } = acpAgent(daemon, { version: VERSION, request }).connect(
      ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(stdin) as ReadableStream<Uint8Array>),
    );
    await closed;
  },
});
