import { expect, it } from 'vitest';
import { httpClient, tokenOf } from '../support/mcp.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

/** Few in every run of the tests; `npm run test:faults` asks for 200. */
const COUNT = Number(process.env.GANTRY_QUEUED_TASKS ?? 12);
const agent_id = 'agent-a';

it(
  `${COUNT} tasks at once with a limit of 4 all end, in order, each with its place in the queue`,
  async () => {
    await using world = await World.make(fake, { limits: { maxParallel: 4 }, delegation: { maxQueued: COUNT } });
    await world.up();
    await using mcp = await httpClient(world, { token: await tokenOf(world) });
    const ids: string[] = [];
    // One after the other, as a queue has it; each is accepted before any has ended.
    for (let n = 0; n < COUNT; n += 1) {
      const task_description = `Go.\n${world.agent.play(n < 4 ? { hold: 'go', text: `${n}` } : { text: `${n}` })}`;
      const { value } = await mcp.tool('opencode_execute_task', { agent_id, task_description });
      ids.push(value.task_id as unknown as string);
    }
    await world.until(
      'four that work',
      ({ tasks }) => [...tasks.values()].filter(({ state }) => state === 'working').length === 4,
    );
    for (const [at, task_id] of [...ids.entries()].filter(([n]) => n === 4 || n === 5 || n === COUNT - 1)) {
      const { value } = await mcp.tool('get_task_status', { task_id });
      expect(value).toMatchObject({ status: 'queued', queue_position: at - 3 });
    }
    await world.agent.release('go');
    const outputs = await Promise.all(
      ids.map(async (task_id) => {
        for (;;) {
          const { value } = await mcp.tool('wait_task', { task_id, wait_ms: 60_000 });
          if (value.status === 'completed') return value.output as unknown as string;
          expect(value.status).toMatch(/queued|running/);
        }
      }),
    );
    expect(outputs).toEqual(ids.map((_, n) => `${n}`));
    const begun = world.journal.facts.flatMap((fact) =>
      fact.kind === 'task.changed' && fact.data.to === 'assigned' && fact.data.from === 'ready'
        ? [fact.data.row.requestId]
        : [],
    );
    expect(begun).toEqual(ids.map((id) => id.replace('task-', 'req_')));
    let running = 0;
    for (const fact of world.journal.facts) {
      if (fact.kind !== 'attempt.changed' || fact.data.from === fact.data.to) continue;
      if (fact.data.from === null) running += 1;
      if (fact.data.to === 'done') running -= 1;
      expect(running).toBeLessThanOrEqual(4);
    }
  },
  60_000 + COUNT * 10_000,
);
