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
    await using rounds = await httpClient(world, { token, elicit, isStateless: true });
    await using stdioRounds = await stdioClient(world, token, [], elicit, true);
    for (const { tool } of [http, stdio, rounds, stdioRounds]) {
      asked.length = 0;
      const { value } = await tool('opencode_execute_task', task);
      expect(value).toMatchObject({ status: 'completed', output: expect.stringContaining('blue') });
      expect(asked).toEqual([expect.stringContaining('echo ran > ran.txt'), 'Which colour?']);
    }
    // Each call handed over one task, in however many rounds.
    expect((await http.tool('list_tasks')).value.tasks).toHaveLength(4);
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
      const denied = new Set<string>();
      for (const [scope, most, isStateless] of [
        ['operate', 0, false],
        ['admin', 1, false],
        ['operate', 0, true],
        ['admin', 1, true],
      ] as const) {
        asks = 0;
        told = Promise.withResolvers();
        await using mcp = await httpClient(world, { token: await tokenOf(world, scope), elicit, isStateless });
        const { value } = await mcp.tool('opencode_execute_task', { agent_id, task_description });
        const { task_id } = value;
        const waited = mcp.tool('wait_task', { task_id });
        const open = await world.until('a question', ({ approvals }) =>
          [...approvals.values()].find(({ id, state }) => state === 'pending' && !denied.has(id)),
        );
        denied.add(open.id);
        if (most > 0) await told.promise;
        await world.call('approvals.deny', { id: open.id });
        expect((await waited).value).toMatchObject({ status: 'completed' });
        expect(asks).toBe(most);
      }
    },
  );
});
