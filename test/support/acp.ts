import { fileURLToPath } from 'node:url';
import type { BackendSettings } from '../../src/contract/config.ts';

const ODD_AGENT = fileURLToPath(new URL('../fixtures/acp/odd-agent.mjs', import.meta.url));

/** An ACP agent that is odd in that way. */
export const oddAgent = (how: string): BackendSettings & { readonly acp: string[] } => ({
  acp: [process.execPath, ODD_AGENT, how],
});
