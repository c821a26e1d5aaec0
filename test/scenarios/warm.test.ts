import { basename } from 'node:path';
import { expect } from 'vitest';
import type { Agent } from '../../src/contract/agent.ts';
import type { Session } from '../../src/contract/session.ts';
import { processStat } from '../support/process-stat.ts';
import { scenario } from '../support/scenario.ts';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import type { World } from '../support/world.ts';

/** `npm run test:full` says 1: as many and as long as a night allows. */
const IS_FULL = process.env.GANTRY_FULL === '1';
/** Kept ready while others work (C3); a Claude Code is a program for each. Many are started by and by. */
const IDLE = IS_FULL ? { claude: [5, 10, 15, 20], other: [10, 20] } : { claude: [4], other: [10] };
/** How long others work beside them, at least. */
const IDLE_MS = IS_FULL ? 300_000 : 0;
/** Tasks of each kind: what a real program takes is a second of a processor each time. */
const TASKS = { fake: 10, real: IS_FULL ? 10 : 3 };

/** More than stand ready, where the default is less. */
const backendsFor = ({ backend, settings }: ScriptedAgent) => ({ [backend]: { ...settings, maxSessions: 30 } });

const config = (agent: ScriptedAgent, warm: number, model?: string, isMerged = false) => ({
  ...(IS_FULL && { backends: backendsFor(agent) }),
  roles: { hot: { warm, ...(model !== undefined && { model }) }, cold: { maxAttempts: 2 } },
  limits: { maxParallel: 6, maxWorkspacesPerProject: 1_000 },
  merge: { isAuto: isMerged, remote: 'origin', target: 'main', batchWait: 0 },
});

const MERGES = 2;

type Ready = { readonly agent: Agent; readonly session: Session };

/** So many stand ready in the world's project, all of those that `fits`. */
const ready = (world: World, count: number, fits: (session: Session) => boolean = () => true): Promise<Ready[]> =>
  world.until(`${count} stand ready`, ({ agents, sessions }) => {
    const found = [...agents.values()].flatMap((agent) => {
      if (!agent.id.startsWith(`${basename(world.project.root)}/`)) return [];
      const session = sessions.get(agent.standing?.warm ? agent.standing.sessionId : '');
      return session ? [{ agent, session }] : [];
    });
    return (
      found.length === count && found.every(({ session }) => session.state === 'running' && fits(session)) && found
    );
  });

/** One task of a role: from its assignment until the agent has taken the prompt, ms, and what was opened in that time. */
async function assigned(world: World, role: string, file: string): Promise<{ ms: number; opened: number }> {
  const task = `Do it.\n${world.agent.play({ write: { path: file, content: `${file}\n` } }, { text: 'made' })}`;
  const { requestId, taskId } = await world.call('tasks.sling', { task, project: world.project.root, role });
  expect(await world.over(requestId ?? 'req_')).toMatchObject({ state: 'done' });
  const ofTask = world.journal.facts.filter((fact) => fact.taskId === taskId);
  const from = ofTask.find(({ kind, data }) => kind === 'task.changed' && data.to === 'assigned');
  const to = ofTask.find(({ kind }) => kind === 'prompt.accepted');
  if (from === undefined || to === undefined) throw new Error(`${taskId} was not begun`);
  const isOpening = ({ seq, kind, data }: (typeof ofTask)[number]): boolean =>
    seq > from.seq && seq < to.seq && kind === 'session.changed' && data.from === null;
  return { ms: to.at - from.at, opened: ofTask.filter(isOpening).length };
}

const middle = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const asked = async (world: World, agents: readonly Ready[]): Promise<number> => {
  const ids = new Set(agents.map(({ session }) => session.nativeId));
  return (await world.agent.requests()).filter(({ nativeId }) => ids.has(nativeId)).length;
};

/** Agents stand ready in every project: those of earlier scenarios would use up the backend's places. */
async function aloneIn(world: World): Promise<void> {
  const { items } = await world.call('projects.list', {});
  for (const { id, path } of items)
    if (path !== world.project.root) await world.call('projects.remove', { project: id });
}

scenario(
  'C2 C3 agents that stand ready take a task sooner, ask no model while others work, and are replaced when their role changes',
  {
    config: (agent) => config(agent, 2),
    errors: [/ the model is broken|could not/],
    ...(IS_FULL && { limitMs: 1_800_000 }),
  },
  async (world) => {
    const count = world.agent.backend === 'fake' ? TASKS.fake : TASKS.real;
    const took = { hot: [] as number[], cold: [] as number[] };
    await world.gantry(['project', 'add', world.project.root]);
    await aloneIn(world);
    for (let i = 0; i < count; i += 1) {
      await ready(world, 2);
      for (const role of ['hot', 'cold'] as const) {
        const { ms, opened } = await assigned(world, role, `${role}-${i}.txt`);
        expect(opened, role).toBe(role === 'hot' ? 0 : 1);
        took[role].push(ms);
      }
    }
    const [hot, cold] = [middle(took.hot), middle(took.cold)];
    process.stdout.write(
      `C2 ${world.agent.backend}: assignment to first prompt, median of ${count}: ${hot} ms, cold ${cold} ms\n`,
    );

    const before = await ready(world, 2);
    await world.configure(config(world.agent, 2, world.agent.models.priced));
    const ids = new Set(before.map(({ session }) => session.id));
    const after = await ready(world, 2, ({ id, model }) => !ids.has(id) && model === world.agent.models.priced);
    expect(await asked(world, [...before, ...after])).toBe(0);
    const head = await world.project.git(['rev-parse', 'HEAD']);
    await assigned(world, 'hot', 'last.txt');
    const attempt = [...world.journal.view.attempts.values()].findLast(({ agent }) => agent.includes('/hot/'));
    expect(after.map(({ session }) => session.id)).toContain(attempt?.sessionId);
    expect(attempt).toMatchObject({ baseCommit: head, branch: expect.not.stringContaining('warm') });

    let idle: readonly Ready[] = [];
    for (const count of world.agent.backend === 'claude' ? IDLE.claude : IDLE.other) {
      await world.configure(config(world.agent, count, world.agent.models.priced, true));
      idle = await ready(world, count);
    }
    const many = idle.length;
    const [began, used] = [performance.now(), processStat(world.daemonPid).cpuMs];
    const failing = `Fail.\n${world.agent.play({ fail: 'the model is broken: one' }, { fail: 'the model is broken: two' })}`;
    const project = world.project.root;
    const { taskId } = await world.call('tasks.sling', { task: failing, project, role: 'cold' });
    let rounds = 0;
    for (; rounds < MERGES || performance.now() - began < IDLE_MS; rounds += 1) {
      await world.call('messages.send', { to: idle[rounds % many]?.agent.id ?? '', text: 'Mind the gap.' });
      await world.call('messages.broadcast', { text: 'All hands.', ttlMs: 1_000 });
      await assigned(world, 'cold', `beside-${rounds}.txt`);
    }
    await world.until(
      'the merges',
      ({ merges }) => [...merges.values()].filter(({ state }) => state === 'merged').length >= rounds,
    );
    await world.until('the alert', () => world.journal.facts.some(({ kind }) => kind === 'alert.opened'));
    expect(await asked(world, idle)).toBe(0);
    const now = await ready(world, many);
    expect(now.map(({ session }) => session.id).sort()).toEqual(idle.map(({ session }) => session.id).sort());
    const seconds = (performance.now() - began) / 1_000;
    process.stdout.write(
      `C3 ${world.agent.backend}: ${many} idle agents, ${processStat(world.daemonPid).cpuMs - used} ms of a processor for the daemon in ${seconds.toFixed(1)} s with ${rounds} merges\n`,
    );
    await world.call('things.cancel', { id: taskId ?? 'tsk_' });
    await world.configure(config(world.agent, 0));
    await ready(world, 0);
  },
);
