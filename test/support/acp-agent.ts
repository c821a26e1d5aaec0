import { join } from 'node:path';
import { opencodeAcp } from './acp.ts';
import { leftovers } from './leftovers.ts';
import { opencodeProgram } from './opencode.ts';
import { opencode } from './opencode-agent.ts';
import type { AgentKind } from './scripted-agent.ts';

/** The real OpenCode again, driven by the Agent Client Protocol: one program for each session. */
export const acp: AgentKind = {
  name: 'acp',
  setUp: async (place) => {
    const { isStanding: _servers, ...agent } = await opencode.setUp(place);
    return {
      ...agent,
      settings: await opencodeAcp(join(place.root, 'scratch'), agent.settings.config),
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
