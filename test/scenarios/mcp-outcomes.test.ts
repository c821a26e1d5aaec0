import { describe, expect } from 'vitest';
import { requestOf } from '../../src/contract/delegation.ts';
import { httpClient, tokenOf } from '../support/mcp.ts';
import { scenario } from '../support/scenario.ts';
import type { Act } from '../support/scripted-agent.ts';
import type { World } from '../support/world.ts';

const agent_id = 'agent-a';

describe('the answer of a delegated task', () => {
  scenario('says what came of it, or that it goes on', { config: { limits: { maxAttempts: 1 } } }, async (world) => {
    await using mcp = await httpClient(world, { token: await tokenOf(world) });
    const execute = async (acts: readonly Act[], more: object = {}) => {
      const task_description = `mark-words\n${world.agent.play(...acts)}`;
      return await mcp.tool('opencode_execute_task', { agent_id, task_description, sync: true, ...more });
    };
    expect((await execute([{ text: 'all of it' }])).value).toEqual({
      task_id: expect.any(String),
      status: 'completed',
      duration_ms: expect.any(Number),
      output: 'all of it',
    });
    const failed = await execute([{ fail: 'the model is broken' }]);
    expect(failed).toMatchObject({
      isError: false,
      value: { status: 'failed', error: expect.stringContaining('the model is broken') },
    });
    expect(failed.value.output).not.toContain('mark-words');
    const { value: goingOn } = await execute([{ hold: 'go', text: 'later' }], { wait_ms: 0 });
    expect(goingOn).toEqual({
      task_id: expect.any(String),
      status: expect.stringMatching(/^(queued|running)$/),
      message: 'Task started but execution is taking longer than expected. Use get_task_status to check progress.',
      timeout_hint: 'Response timeout reached, task continues in background',
    });
    await world.agent.release('go');
    const { value } = await mcp.tool('wait_task', { task_id: goingOn.task_id });
    expect(value).toMatchObject({ status: 'completed', output: 'later' });
  });

  scenario(
    'has the exit code of an agent program that ended by itself, and nothing where it is shown nowhere',
    { config: { limits: { maxAttempts: 1 } }, deaths: 9, not: { real: 'its program is told to end' } },
    async (world) => {
      await using mcp = await httpClient(world, { token: await tokenOf(world) });
      const task_description = `Go. @@fake ${JSON.stringify(Array(9).fill({ exit: 3 }))}`;
      const { value } = await mcp.tool('opencode_execute_task', { agent_id, task_description, sync: true });
      expect(value).toMatchObject({ status: 'failed', exit_code: 3 });
      const status = await mcp.tool('get_task_status', { task_id: value.task_id });
      expect(status.value).toMatchObject({ exit_code: 3, projections: {} });
      const { events } = (await mcp.tool('get_task_history', { task_id: value.task_id })).value;
      expect((events as unknown as object[]).at(-1)).toMatchObject({ type: 'task_failed', data: { exit_code: 3 } });
    },
  );

  scenario('is read in pages, and its newest events with its state', {}, async (world) => {
    await using mcp = await httpClient(world, { token: await tokenOf(world) });
    const acts = Array.from({ length: 4 }, (_, n) => ({ run: `echo ${n} > ${n}.txt` }));
    const task_description = `Go.\n${world.agent.play(...acts, { text: 'done' })}`;
    const { value: done } = await mcp.tool('opencode_execute_task', { agent_id, task_description, sync: true });
    const { task_id } = done;
    const page = async (events_limit: number, events_offset = 0) => {
      const { value } = await mcp.tool('get_task_history', { task_id, events_limit, events_offset });
      return { ...value, events: value.events as unknown as { seq: number; message: string }[] };
    };
    const whole = await page(-1);
    const total = whole.events.length;
    expect(total).toBeGreaterThan(5);
    expect(whole).toMatchObject({ events_total: total, events_returned: total, has_more_events: false });
    const walked = [];
    for (let at = 0; at < total; at += 2) {
      const some = await page(2, at);
      const n = Math.min(2, total - at);
      expect(some).toMatchObject({ events_total: total, events_returned: n, has_more_events: at + n < total });
      walked.push(...some.events);
    }
    expect(walked).toEqual(whole.events);
    expect(await page(1, total + 7)).toMatchObject({ events: [], events_total: total, has_more_events: false });
    const { value } = await mcp.tool('get_task_status', { task_id });
    const newest = whole.events.slice(-5).map(({ seq: _, ...event }) => ({ ...event, data: undefined }));
    expect(value.recent_events).toEqual(newest);
  });
});

scenario(
  'of five tasks at once with a limit of two, never more run, and the others follow in order',
  { config: { limits: { maxParallel: 2 } } },
  async (world) => {
    await using mcp = await httpClient(world, { token: await tokenOf(world) });
    const ids = await Promise.all(
      Array.from({ length: 5 }, async (_, n) => {
        const task_description = `Go.\n${world.agent.play({ hold: 'go', text: `answer ${n}` })}`;
        return (await mcp.tool('opencode_execute_task', { agent_id, task_description })).value.task_id;
      }),
    );
    await world.until(
      'two that work',
      ({ tasks }) => [...tasks.values()].filter(({ state }) => state === 'working').length === 2,
    );
    await world.agent.release('go');
    for (const [n, task_id] of ids.entries())
      expect((await mcp.tool('wait_task', { task_id })).value).toMatchObject({ output: `answer ${n}` });
    const { taken, begun, most } = courseOf(world, new Set(ids.map((id) => requestOf(String(id)))));
    expect(taken).toHaveLength(5);
    expect(most).toBe(2);
    expect(begun.toSorted()).toEqual(taken.toSorted());
    // By age: what was taken in the same millisecond has no order.
    const ages = begun.map((id) => world.journal.view.requests.get(id)?.createdAt ?? 0);
    expect(ages).toEqual(ages.toSorted((a, b) => a - b));
  },
);

/** In which order requests were taken and their attempts begun, and how many of these were at work at once. */
function courseOf({ journal }: World, own: ReadonlySet<string>) {
  const facts = journal.facts.filter(({ requestId }) => own.has(requestId ?? ''));
  const taken = facts.flatMap(({ kind, data }) =>
    kind === 'request.changed' && data.from === null ? data.row.id : [],
  );
  const moves = facts.flatMap(({ kind, data }) => (kind === 'attempt.changed' && data.from !== data.to ? [data] : []));
  const begun = moves.flatMap(({ from, row }) => (from === null ? [row.requestId] : []));
  let running = 0;
  const counts = moves.map(({ from, to }) => {
    running += from === null ? 1 : to === 'done' ? -1 : 0;
    return running;
  });
  return { taken, begun, most: Math.max(...counts) };
}
