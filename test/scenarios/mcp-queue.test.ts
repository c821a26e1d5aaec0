import { expect } from 'vitest';
import { httpClient, tokenOf } from '../support/mcp.ts';
import { scenario } from '../support/scenario.ts';

const NOT = { opencode: 'what is asked is the queue, not the agent program' };
const agent_id = 'agent-a';

scenario(
  'a full queue refuses, and a known key is answered all the same, also after a restart',
  { not: NOT, config: { limits: { maxParallel: 1 }, delegation: { maxQueued: 1 } } },
  async (world) => {
    const token = await tokenOf(world);
    const hold = { agent_id, task_description: `Go.\n${world.agent.play({ hold: 'go', text: 'ok' })}` };
    const ids: unknown[] = [];
    {
      await using mcp = await httpClient(world, { token });
      expect((await mcp.tool('health')).value.metrics).toEqual({
        active_tasks: 0,
        can_accept_task: true,
        queued_tasks: 0,
      });
      for (const idempotency_key of ['one', 'two']) {
        const { value } = await mcp.tool('opencode_execute_task', { ...hold, idempotency_key });
        ids.push(value.task_id);
      }
      await world.until('a task that works', ({ tasks }) =>
        [...tasks.values()].some(({ state }) => state === 'working'),
      );
      expect((await mcp.tool('health')).value.metrics).toEqual({
        active_tasks: 1,
        can_accept_task: false,
        queued_tasks: 1,
      });
      const full = await mcp.tool('opencode_execute_task', hold);
      expect(full).toMatchObject({
        isError: true,
        value: { error: 'Task queue full', code: 'QUEUE_FULL', status: 429, retryable: true, queued: 1, limit: 1 },
      });
      expect(full.value.retry_after_ms).toEqual(expect.any(Number));
      const known = await mcp.tool('opencode_execute_task', { ...hold, idempotency_key: 'two' });
      expect(known.value).toMatchObject({ task_id: ids[1], status: 'queued' });
    }
    await world.kill();
    await world.up();
    await using mcp = await httpClient(world, { token });
    const known = await mcp.tool('opencode_execute_task', { ...hold, idempotency_key: 'two' });
    expect(known.value).toMatchObject({ task_id: ids[1], message: 'Task already exists (idempotency key match)' });
    await world.agent.release('go');
    for (const task_id of ids) {
      expect((await mcp.tool('wait_task', { task_id })).value).toMatchObject({ status: 'completed', output: 'ok' });
    }
  },
);

scenario(
  'a task that nobody could begin in time ends as timed out',
  { not: NOT, config: { limits: { maxParallel: 1 } } },
  async (world) => {
    await using mcp = await httpClient(world, { token: await tokenOf(world) });
    const hold = { agent_id, task_description: `Go.\n${world.agent.play({ hold: 'go', text: 'ok' })}` };
    await mcp.tool('opencode_execute_task', hold);
    const { value } = await mcp.tool('opencode_execute_task', { ...hold, queue_timeout_ms: 1_500, sync: true });
    expect(value).toMatchObject({ status: 'timeout', error: expect.stringContaining('queue time limit') });
    await world.agent.release('go');
    await world.settled();
  },
);
