import { expect, test } from 'vitest';
import { until } from '../../src/base/wait.ts';
import { startLetta } from '../support/letta-server.ts';
import { httpClient, stdioClient, tokenOf } from '../support/mcp.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

test('the health tells what is configured, and degrades while it is down', async () => {
  const agent = 'agent-0001';
  let isUp = false;
  await using letta = await startLetta(agent, () => (isUp ? null : 503));
  await using world = await World.make(fake, { letta: { url: letta.url, agent } });
  await world.up();
  const token = await tokenOf(world, 'read');
  await using http = await httpClient(world, { token });
  await using stdio = await stdioClient(world, token);
  const looks = async (status: string, dependency: string): Promise<void> => {
    const open = async () => (await fetch(`${world.client.url}/health`)).json() as Promise<Record<string, unknown>>;
    const isSo = async () => ((await open()).status === status ? true : null);
    await until(isSo, { everyMs: 100, limitMs: 60_000 }, () => new Error(`the health was never ${status}`));
    for (const health of [(await http.tool('health')).value, (await stdio.tool('health')).value, await open()]) {
      expect(health).toMatchObject({
        status,
        dependencies: { letta: { status: dependency }, matrix: { status: 'off' } },
      });
    }
  };
  await looks('healthy', 'unknown');
  expect((await http.tool('health')).value).toMatchObject({
    environment: { letta_api_url: `${letta.url}/`, runner_image: 'not_configured' },
    dependencies: { container: { status: 'off' } },
  });
  await world.over((await world.submitOne([{ text: 'made' }])).id);
  await looks('degraded', 'down');
  isUp = true;
  await looks('healthy', 'ok');
});
