import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../src/base/wait.ts';
import type { ScriptedAgent } from './scripted-agent.ts';
import type { World } from './world.ts';

/** The model of an agent is reached by its port alone. */
export const reaching = (agent: ScriptedAgent) => ({
  walls: { reach: JSON.stringify(agent.settings).match(/127\.0\.0\.1:\d+/g) ?? [] },
});

/** A command that runs until a file `go` is there. */
export const WAITS = 'touch begun; until test -e go; do sleep 0.1; done';

/** The workspace in which an agent behind such walls has begun with `WAITS`. */
export async function begun(world: World, isolation: 'sandbox' | 'container'): Promise<string> {
  const workspace = await world.until('the workspace', ({ attempts }) => {
    const working = [...attempts.values()].filter(({ state }) => state === 'working');
    return working.find((attempt) => attempt.isolation === isolation)?.workspace;
  });
  await until(
    async () => (existsSync(join(workspace, 'begun')) ? true : null),
    { everyMs: 50, limitMs: 60_000 },
    () => new Error('the agent did not begin'),
  );
  return workspace;
}
