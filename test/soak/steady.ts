import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { claude } from '../support/claude-agent.ts';
import { opencode } from '../support/opencode-agent.ts';
import { processStat } from '../support/process-stat.ts';
import { fake, type ScriptedAgent } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

/** Live agents: fake, OpenCode, Claude Code. */
const FLEET = [14, 4, 2] as const;
const TICK_MS = 5_000;
/** Each agent gets a message so often, and answers it: a steady load. */
const ROUND_MS = 20_000;
/** The last third of the ticks may be so much above the first. */
const GROWTH = { factor: 1.2, megabytes: 15, cpuMs: 20, files: 5 };

type Sample = { readonly megabytes: number; readonly cpuMs: number; readonly files: number };

/** 20 agents live for so many minutes, with the same little to do all the time: memory and work of the daemon must be flat. */
export async function steady(minutes: number): Promise<readonly string[]> {
  const config = { limits: { maxParallel: 20, maxWorkspacesPerProject: 100 } };
  await using world = await World.make(fake, config, [opencode, claude]);
  await world.up();
  const kinds = [world.agent, ...world.others];
  const agents: { readonly id: string; readonly program: ScriptedAgent }[] = [];
  for (const [i, program] of kinds.entries()) {
    for (let n = 0; n < (FLEET[i] ?? 0); n += 1) {
      const name = `${program.backend}-${n}`;
      const input = { agent: name, project: world.project.root, backend: program.backend };
      agents.push({ id: (await world.call('agents.start', input)).agent, program });
    }
  }
  const samples: Sample[] = [];
  const until = Date.now() + minutes * 60_000;
  let last = processOf(world);
  let asked = 0;
  for (let tick = 0; Date.now() < until; tick += 1) {
    const due = agents.filter((_, i) => i % (ROUND_MS / TICK_MS) === tick % (ROUND_MS / TICK_MS));
    for (const { id, program } of due) {
      await world.call('messages.send', { to: id, text: `Mind the gap. ${program.play({ text: 'noted' })}` });
      asked += 1;
    }
    await pause(TICK_MS);
    const now = processOf(world);
    samples.push({ ...now, cpuMs: now.cpuMs - last.cpuMs });
    last = now;
  }
  return report(world, samples, asked);
}

function processOf({ daemonPid }: World): Sample {
  const { rssMb, cpuMs } = processStat(daemonPid);
  return { megabytes: rssMb, cpuMs, files: readdirSync(`/proc/${daemonPid}/fd`).length };
}

const middle = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Says the trend third by third. @returns what did not hold */
function report(world: World, samples: readonly Sample[], asked: number): readonly string[] {
  const faults: string[] = [];
  const size = Math.floor(samples.length / 3);
  if (size < 3) return [`${samples.length} looks are too few for a trend: three minutes at least`];
  for (const what of ['megabytes', 'cpuMs', 'files'] as const) {
    const thirds = [0, 1, 2].map((part) =>
      middle(samples.slice(part * size, (part + 1) * size).map((one) => one[what])),
    );
    const [first = 0, , end = 0] = thirds;
    const unit = what === 'cpuMs' ? ` in ${TICK_MS / 1_000} s` : '';
    console.log(`${what}${unit}, median of each third: ${thirds.map((value) => value.toFixed(1)).join(', ')}`);
    if (end > first * GROWTH.factor + GROWTH[what]) faults.push(`${what} of the daemon grew from ${first} to ${end}`);
  }
  const { sessions, messages } = world.journal.view;
  const live = [...sessions.values()].filter(({ state }) => state === 'running').length;
  const seen = [...messages.values()].filter(({ state, to }) => state === 'seen' && to !== 'person').length;
  console.log(`${samples.length} looks; ${live} live agents; ${asked} messages, ${seen} of them seen`);
  const all = FLEET.reduce((sum, n) => sum + n, 0);
  if (live !== all) faults.push(`${live} agents are live, not ${all}`);
  if (seen < asked * 0.9) faults.push(`${asked - seen} of ${asked} messages were not seen`);
  return faults;
}
