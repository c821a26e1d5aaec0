import { setTimeout as pause } from 'node:timers/promises';
import { claude } from '../support/claude-agent.ts';
import { lineOf } from '../support/journal-watch.ts';
import { opencode } from '../support/opencode-agent.ts';
import { fake, type ScriptedAgent } from '../support/scripted-agent.ts';
import { seeded } from '../support/seeded.ts';
import { World } from '../support/world.ts';
import { Feed } from './feed.ts';
import { Invariants } from './invariants.ts';
import { steady } from './steady.ts';

/**
 * A fleet of fake agents, with real OpenCode and Claude Code among them, is left to chance: `npm run test:soak`.
 * `GANTRY_SOAK_MINUTES` says how long (20), `GANTRY_SOAK_SEED` what chance does. With `--steady` nothing is left to chance: 20
 * live agents with the same little to do, and the daemon must be flat.
 */
const MINUTES = Number(process.env.GANTRY_SOAK_MINUTES ?? 20);
const SEED = Number(process.env.GANTRY_SOAK_SEED ?? Date.now() % 1_000_000);
const TICK_MS = 3_000;
const DRAIN_LIMIT_MS = 300_000;
const TARGET = 'integration';

if (!(MINUTES > 0) || !Number.isInteger(SEED)) {
  console.error('GANTRY_SOAK_MINUTES: a number above 0; GANTRY_SOAK_SEED: a whole number');
  process.exit(2);
}
if (process.argv.includes('--steady')) {
  console.log(`GANTRY_SOAK_MINUTES=${MINUTES}, without chance`);
  const left = await steady(MINUTES);
  for (const fault of left) console.log(`FAULT: ${fault}`);
  console.log(left.length === 0 ? 'flat' : `${left.length} faults`);
  process.exit(left.length === 0 ? 0 : 1);
}
console.log(`GANTRY_SOAK_MINUTES=${MINUTES} GANTRY_SOAK_SEED=${SEED}`);

const config = ({ play, backend, settings }: ScriptedAgent) => ({
  backends: { [`${backend}-two`]: settings },
  policy: { default: 'allow' as const, rules: [{ action: 'ask' as const, tool: 'bash', pattern: 'echo asked*' }] },
  limits: { maxParallel: 6, maxWorkspacesPerProject: 10_000, approvalTimeout: 15_000, maxAttempts: 3 },
  roles: {
    // For tasks without a script of their own: the repair of a conflict.
    worker: { prompt: `You work. ${play({ run: 'echo both > shared.txt' }, { text: 'resolved' })}` },
    reviewer: { isReadOnly: true, prompt: `You judge. ${play({ text: '{"verdict":"approve"}' })}`, backend },
  },
  merge: {
    isAuto: true,
    target: TARGET,
    batchWait: 500,
    approvals: 1,
    // A review that a person cancels is silent.
    reviewTimeout: 30_000,
    reviewRole: 'reviewer',
    gates: [{ name: 'good', command: '! ls bad-*.txt' }],
  },
});

await using world = await World.make(fake, config, [opencode, claude]);
await world.project.git(['branch', TARGET]);
await world.up();
const feed = new Feed(world, seeded(SEED));
const invariants = new Invariants(world);
let isFed = true;
const watching = (async () => {
  while (isFed) {
    await invariants
      .tick()
      .catch((error: unknown) => invariants.faults.push(`it could not be looked: ${String(error)}`));
    await pause(TICK_MS);
  }
})();
await feed.run(Date.now() + MINUTES * 60_000);
const limit = Date.now() + DRAIN_LIMIT_MS;
while (!(await feed.drain()) && Date.now() < limit) await pause(500);
isFed = false;
await watching;
await world.settled().catch((error: unknown) => invariants.faults.push(String(error)));
await invariants.end();

const { view, facts } = world.journal;
const states = (rows: Iterable<{ readonly state: string }>): string =>
  [...Map.groupBy(rows, ({ state }) => state)].map(([state, { length }]) => `${length} ${state}`).join(', ');
console.log(`did: ${[...feed.counts].map(([name, count]) => `${name} ${count}`).join(', ')}`);
console.log(`tasks: ${states(view.tasks.values())}; attempts: ${states(view.attempts.values())}`);
console.log(`messages: ${states(view.messages.values())}; approvals: ${states(view.approvals.values())}`);
console.log(`merges: ${states(view.merges.values())}; sessions: ${states(view.sessions.values())}`);
const of = (pick: (sample: (typeof invariants.samples)[number]) => number): string => {
  const values = invariants.samples.map(pick).map(Math.round);
  return `${Math.min(...values)} to ${Math.max(...values)}`;
};
console.log(
  `${invariants.samples.length} ticks; the daemon: ${of(({ megabytes }) => megabytes)} MB, ${of(({ files }) => files)} open files; ` +
    `processes beside it: ${of(({ processes }) => processes)}; ${facts.length} facts, ${Math.round(await invariants.bytesPerFact())} bytes of store for each`,
);
const faults = [...new Set([...invariants.faults, ...feed.refusals])];
for (const fault of faults) console.log(`FAULT: ${fault}`);
if (faults.length > 0) console.log(facts.slice(-60).map(lineOf).join('\n'));
console.log(faults.length === 0 ? 'everything held' : `${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;
