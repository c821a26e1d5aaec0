import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BackendSettings } from '../../src/contract/config.ts';
import { opencodeProgram, withoutPackageInstall } from './opencode.ts';

const ODD_AGENT = fileURLToPath(new URL('../fixtures/acp/odd-agent.mjs', import.meta.url));

/** An ACP agent that is odd in that way. */
export const oddAgent = (how: string): BackendSettings & { readonly acp: string[] } => ({
  acp: [process.execPath, ODD_AGENT, how],
});

/** The real OpenCode as an ACP agent with that configuration; its own directory of configuration is made in `configHome`. */
export async function opencodeAcp(
  configHome: string,
  config: Readonly<Record<string, unknown>> = {},
): Promise<BackendSettings & { readonly acp: string[] }> {
  await withoutPackageInstall(join(configHome, 'opencode'));
  const models = join(configHome, 'models.json');
  await writeFile(models, '{}');
  // What is not asked cannot be decided by a profile.
  const whole = { ...config, autoupdate: false, snapshot: false, permission: { '*': 'ask' } };
  return {
    acp: [opencodeProgram(), 'acp'],
    profile: 'private',
    env: {
      XDG_CONFIG_HOME: configHome,
      OPENCODE_CONFIG_CONTENT: JSON.stringify(whole),
      OPENCODE_DISABLE_MODELS_FETCH: '1',
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
      OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      // Without the table of all models that it has within, a third less processor time until the first answer (1.18.33).
      OPENCODE_MODELS_PATH: models,
    },
  };
}
