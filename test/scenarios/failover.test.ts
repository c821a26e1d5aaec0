import { describe, expect } from 'vitest';
import type { Fallback } from '../../src/contract/config.ts';
import { faultyBackends, faultyId } from '../support/faulty-backends.ts';
import { scenario } from '../support/scenario.ts';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import type { World } from '../support/world.ts';

/** Roles of a backend that never gets ready, each with another word of what then follows. */
const down = {
  config: (agent: ScriptedAgent) => {
    const role = (mode: NonNullable<Fallback['mode']>) => ({
      backend: faultyId(agent, 'neverReady'),
      fallback: { mode, chain: [agent.backend] },
    });
    return { roles: { asks: role('ask'), takes: role('auto'), waits: role('off') }, backends: faultyBackends(agent) };
  },
};

const backendsOf = (world: World, taskId: string): string[] =>
  [...world.journal.view.attempts.values()]
    .filter((attempt) => attempt.taskId === taskId)
    .map(({ backend, state }) => `${backend} ${state}`);

describe('a backend that is down (A10)', () => {
  scenario('hands its work over, asks first, or lets it wait, as the role says', down, async (world) => {
    const { backend } = world.agent;
    const faulty = faultyId(world.agent, 'neverReady');
    const give = (role: string) => world.submitOne([{ text: `done for ${role}` }], { role });

    const asking = await give('asks');
    const task = await world.task(asking.id, 'T1', 'deferred');
    expect(task.cause).toContain(`backend ${faulty} cannot be used`);
    const rows = (await world.gantry(['agents', '--json'])).json() as { readonly state: string }[];
    expect(rows.filter(({ state }) => state === 'error')).toEqual([
      expect.objectContaining({ backend: faulty, error: expect.stringContaining('not ready') }),
    ]);
    // Known by now: this one is asked about before it is tried at all.
    const second = await give('asks');
    const known = await world.task(second.id, 'T1', 'deferred');
    expect(backendsOf(world, known.id)).toEqual([]);

    const waiting = await give('waits');
    const held = await world.task(waiting.id, 'T1', 'deferred');
    expect((await world.gantry(['explain', held.id])).stdout).toContain(`backend ${faulty} cannot be used`);
    const open = [...world.journal.view.approvals.values()].filter(({ state }) => state === 'pending');
    expect(open.map(({ taskId }) => taskId).sort()).toEqual([task.id, known.id].sort());
    expect(await world.agent.requests(), 'requests before anybody has agreed').toEqual([]);

    const taken = await give('takes');
    expect(await world.over(taken.id)).toMatchObject({ state: 'done' });
    expect(backendsOf(world, (await world.task(taken.id)).id)).toEqual([`${backend} done`]);
    expect(await world.agent.requests()).toHaveLength(1);

    for (const { id } of open) expect(await world.gantry(['approve', id])).toMatchObject({ code: 0 });
    for (const { id } of [asking, second]) expect(await world.over(id)).toMatchObject({ state: 'done' });
    expect(backendsOf(world, task.id)).toEqual([`${faulty} failed`, `${backend} done`]);
    const told = world.journal.facts.flatMap(({ kind, data }) => (kind === 'notice' ? [data.text] : []));
    expect(told.filter((text) => text.includes(`goes from ${faulty} to ${backend}`))).toHaveLength(3);

    // Its backend is tried again when its time has come, and no other.
    const tried = backendsOf(world, held.id);
    expect(tried.filter((attempt) => !attempt.startsWith(`${faulty} `))).toEqual([]);
    expect(await world.gantry(['cancel', waiting.id])).toMatchObject({ code: 0 });
    expect(await world.over(waiting.id)).toMatchObject({ state: 'cancelled' });
  });
});
