import { join } from 'node:path';
import { leftovers } from './leftovers.ts';
import { opencodeProgram, withoutPackageInstall } from './opencode.ts';
import { opencode } from './opencode-agent.ts';
import type { AgentKind } from './scripted-agent.ts';

/** The real OpenCode again, driven by the Agent Client Protocol: one program for each session. */
export const acp: AgentKind = {
  name: 'acp',
  setUp: async (place) => {
    const { isStanding: _servers, ...agent } = await opencode.setUp(place);
    const scratch = join(place.root, 'scratch');
    await withoutPackageInstall(join(scratch, 'opencode'));
    // What is not asked cannot be decided by a profile.
    const config = { ...agent.settings.config, autoupdate: false, permission: { '*': 'ask' } };
    return {
      ...agent,
      settings: {
        acp: [opencodeProgram(), 'acp'],
        profile: 'private',
        env: {
          XDG_CONFIG_HOME: scratch,
          OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
          OPENCODE_DISABLE_MODELS_FETCH: '1',
          OPENCODE_DISABLE_AUTOUPDATE: '1',
        },
      },
      pidOf: () => onlyProgram(place.home),
    };
  },
};

async function onlyProgram(home: string): Promise<number> {
  const all = (await leftovers(home)) ?? [];
  const [found, ...more] = all.filter(({ command }) => command.startsWith(`${opencodeProgram()} acp`));
  if (!found || more.length > 0) throw new Error(`${more.length + (found ? 1 : 0)} programs run, not one`);
  return found.pid;
}
