import { describe, expect } from 'vitest';
import { httpClient, stdioClient, tokenOf } from '../support/mcp.ts';
import { scenario } from '../support/scenario.ts';

const NOT = { opencode: 'what is asked is the client, not the agent program' };
const config = { policy: { default: 'allow' as const, rules: [{ action: 'ask' as const, tool: 'bash' }] } };
const agent_id = 'agent-a';

describe('a client that can ask its person', () => {
  scenario('is asked what the task waits for, if its token may answer', { not: NOT, config }, async (world) => {
    const asked: string[] = [];
    const elicit = ({ message }: { readonly message: string }) => {
      asked.push(message);
      return message.startsWith('Which')
        ? { action: 'accept' as const, content: { answer: 'blue' } }
        : { action: 'accept' as const, content: { decision: 'once' } };
    };
    const acts = [
      { run: 'echo ran > ran.txt' },
      { question: { question: 'Which colour?', labels: ['red', 'blue'] } },
      { text: 'heard: {{lastToolOutput}}' },
    ];
    const task = { agent_id, task_description: `Go.\n${world.agent.play(...acts)}`, sync: true };
    const token = await tokenOf(world, 'admin');
    await using http = await httpClient(world, { token, elicit });
    await using stdio = await stdioClient(world, token, [], elicit);
    for (const { tool } of [http, stdio]) {
      asked.length = 0;
      const { value } = await tool('opencode_execute_task', task);
      expect(value).toMatchObject({ status: 'completed', output: expect.stringContaining('blue') });
      expect(asked).toEqual([expect.stringContaining('echo ran > ran.txt'), 'Which colour?']);
    }
  });

  scenario(
    'is not asked if its token may not answer; a form without an answer decides nothing',
    { not: NOT, config },
    async (world) => {
      let asks = 0;
      let told = Promise.withResolvers<void>();
      const elicit = () => {
        asks += 1;
        told.resolve();
        return { action: 'cancel' as const };
      };
      const task_description = `Go.\n${world.agent.play({ run: 'echo ran > ran.txt' }, { text: 'end' })}`;
      for (const [scope, most] of [
        ['operate', 0],
        ['admin', 1],
      ] as const) {
        asks = 0;
        told = Promise.withResolvers();
        await using mcp = await httpClient(world, { token: await tokenOf(world, scope), elicit });
        const { value } = await mcp.tool('opencode_execute_task', { agent_id, task_description });
        const { task_id } = value;
        const waited = mcp.tool('wait_task', { task_id });
        const open = await world.until('a question', ({ approvals }) =>
          [...approvals.values()].find(({ state }) => state === 'pending'),
        );
        if (most > 0) await told.promise;
        await world.call('approvals.deny', { id: open.id });
        expect((await waited).value).toMatchObject({ status: 'completed' });
        expect(asks).toBe(most);
      }
    },
  );
});
