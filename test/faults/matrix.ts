import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, vi } from 'vitest';
import { until } from '../../src/base/wait.ts';
import type { Request } from '../../src/contract/request.ts';
import type { Session } from '../../src/contract/session.ts';
import type { Task } from '../../src/contract/task.ts';
import { LIMIT_MS } from '../support/journal-watch.ts';
import { leftovers } from '../support/leftovers.ts';
import { playOn, type ScenarioOptions, scenario } from '../support/scenario.ts';
import type { AgentKind, ScriptedAgent } from '../support/scripted-agent.ts';
import { gone, World } from '../support/world.ts';
import { FAULTS, type Fault, PAGE, recordFile } from './matrix-page.ts';

const run = promisify(execFile);
const CLOCK = fileURLToPath(new URL('../support/shifted-clock.mjs', import.meta.url));
const HOUR_MS = 3_600_000;
const ANSWER = 'a whole answer, from its beginning to its end';
/** Real programs on a loaded machine. */
const CELL_LIMIT_MS = 300_000;

/** What was observed, in words that hold what was measured. */
type Play = (world: World) => Promise<string>;

type Halfway = { readonly id: Request['id']; readonly task: Task; readonly session: Session; readonly file: string };

/** A task whose first file is written and not committed, and whose next step waits. */
async function halfway(world: World): Promise<Halfway> {
  const { id } = await world.submitOne([
    { write: { path: 'half.txt', content: 'half\n' } },
    { hold: 'go', run: 'cat half.txt >> copy.txt' },
    { text: 'whole' },
  ]);
  // Not one that was written before it.
  await world.until('the file', () =>
    world.journal.facts.some(({ kind, data }) => kind === 'file.changed' && basename(data.path) === 'half.txt'),
  );
  const task = await world.task(id, 'T1', 'working');
  const session = await world.until('a running session', ({ sessions, attempts }) =>
    [...sessions.values()].find(
      (one) => one.state === 'running' && attempts.get(one.attemptId ?? '')?.taskId === task.id,
    ),
  );
  return { id, task, session, file: join(session.directory, 'half.txt') };
}

/** Lets it go on: it must end as if nothing had been. @returns how that was */
async function whole(world: World, { id, task, file }: Halfway): Promise<string> {
  expect(await readFile(file, 'utf8'), 'the file that was not committed').toBe('half\n');
  await world.agent.release('go');
  expect(await world.over(id)).toMatchObject({ state: 'done' });
  const branch = `gantry/${id.slice('req_'.length)}`;
  expect(await world.project.git(['show', `${branch}:copy.txt`])).toBe('half');
  const ended = world.journal.facts.filter(
    (f) => f.kind === 'task.changed' && f.data.row.id === task.id && f.data.from !== 'done' && f.data.to === 'done',
  );
  expect(ended).toHaveLength(1);
  await promptsOnce(world);
  const attempts = [...world.journal.view.attempts.values()].filter(({ taskId }) => taskId === task.id);
  expect(new Set(attempts.map(({ workspace }) => workspace)).size).toBe(1);
  const opened = world.journal.facts.findLast(
    (f) => f.kind === 'session.changed' && f.data.from !== 'running' && f.data.to === 'running',
  );
  const how = opened?.kind === 'session.changed' ? opened.data.cause : null;
  return `${attempts.length} ${attempts.length === 1 ? 'attempt' : 'attempts'} in one workspace, last opened as “${how}”; the uncommitted file was as before; no prompt was taken twice; done once`;
}

async function promptsOnce(world: World): Promise<void> {
  const taken = (await world.agent.promptsTaken()).map(({ id }) => id);
  expect(
    taken.filter((id, i) => taken.indexOf(id) !== i),
    'prompts that were taken twice',
  ).toEqual([]);
}

const since = (from: number, fact: { readonly at: number } | undefined): string =>
  fact ? `${((fact.at - from) / 1000).toFixed(1)} s` : 'never';

const killAgent: Play = async (world) => {
  const half = await halfway(world);
  const pid = await world.agent.pidOf(half.session.nativeId ?? '');
  const at = Date.now();
  process.kill(pid, 'SIGKILL');
  await gone(pid);
  await world.until('the next attempt', ({ attempts }) =>
    [...attempts.values()].some(({ number, state }) => number === 2 && state === 'working'),
  );
  const noticed = world.journal.facts.find((f) => f.kind === 'attempt.changed' && f.data.to === 'failed');
  const alerts = world.journal.facts.filter(({ kind }) => kind === 'alert.opened').length;
  expect(alerts).toBe(1);
  return `noticed after ${since(at, noticed)}, one alert; ${await whole(world, half)}`;
};

const killDaemon: Play = async (world) => {
  const half = await halfway(world);
  await world.kill();
  await world.up();
  return await whole(world, half);
};

const killHost: Play = async (world) => {
  const half = await halfway(world);
  const all = (await leftovers(world.root)) ?? [];
  const others = all.filter(({ pid }) => pid !== world.daemonPid);
  for (const { pid } of others) killNow(pid);
  await world.kill();
  for (const { pid } of others) await gone(pid);
  await world.up();
  return `${all.length} processes killed at once; ${await whole(world, half)}`;
};

/** One that has ended by itself since it was found is as dead. */
function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Fake: its own connection to the daemon. Others: the answer of the model, half-way; their own is killed with them. */
const cutStream: Play = async (world) => {
  const isFake = world.agent.backend === 'fake';
  const steps = isFake
    ? `@@fake ${JSON.stringify([{ write: { path: 'a.txt', content: 'a' } }, { once: 'cut', disconnect: true }, { text: 'whole' }])}`
    : `@@model ${JSON.stringify([{ text: ANSWER, chunks: 10, cut: { times: 1 } }])}`;
  const { id } = await world.submit(`Do it.\n${steps}`, { options: { isSingleTask: true } });
  const request = await world.over(id);
  expect(request).toMatchObject({ state: 'done' });
  await promptsOnce(world);
  const task = await world.task(id);
  const what = isFake ? 'the agent’s output closed under the turn' : 'the model’s answer broke off half-way';
  const summary = task.result?.summary.trim() ?? '';
  if (!isFake) expect(summary.endsWith(ANSWER)).toBe(true);
  const rest = summary === ANSWER ? '' : ' after the words of the broken one';
  const answer = isFake ? '' : `the answer came whole${rest}, `;
  return `${what}: ${answer}${task.attempts} attempt(s), no prompt was taken twice, done`;
};

/** An attempt is cancelled while its model thinks; then the model answers. */
const lateWord: Play = async (world) => {
  const half = await halfway(world);
  expect((await world.gantry(['cancel', half.id])).code).toBe(0);
  await world.agent.release('go');
  // What comes later and is carried out proves that the late word had every chance to be heard.
  const probe = await world.submitOne([{ write: { path: 'b.txt', content: 'b' } }, { text: 'fresh' }]);
  expect(await world.over(probe.id)).toMatchObject({ state: 'done' });
  expect((await world.task(half.id)).state).toBe('cancelled');
  expect(await readFile(half.file, 'utf8')).toBe('half\n');
  expect(existsSync(join(dirname(half.file), 'copy.txt')), 'the call that the late answer made').toBe(false);
  const changed = world.journal.facts.filter(
    ({ kind, data }) =>
      kind === 'task.changed' && data.row.id === half.task.id && data.from === 'cancelled' && data.to !== 'cancelled',
  );
  expect(changed).toEqual([]);
  return 'the model answered after the attempt was cancelled: its call was not run, its task stayed cancelled, its file was kept, other work went on';
};

/** The daemon is killed after it told of a call: what it reads again is told once. */
const duplicateWord: Play = async (world) => {
  const half = await halfway(world);
  await world.kill();
  await world.up();
  const story = await whole(world, half);
  const told = world.journal.facts.flatMap((f) =>
    f.kind === 'tool.started' || f.kind === 'tool.ended'
      ? [`${f.kind} ${f.data.callId}`]
      : f.kind === 'text'
        ? [`text ${f.sessionId} ${f.data.partId}`]
        : [],
  );
  const twice = told.filter((word, i) => told.indexOf(word) !== i);
  expect(twice, 'words that were told twice').toEqual([]);
  return `the conversation was read again after a restart: of ${told.length} words none was told twice; ${story}`;
};

/** The agent repeats its last frame on the wire. */
const duplicateFrame: Play = async (world) => {
  const steps = [
    { write: { path: 'a.txt', content: 'a' }, duplicate: true },
    { text: 'once', duplicate: true },
  ];
  const { id } = await world.submit(`Do it.\n@@fake ${JSON.stringify(steps)}`, { options: { isSingleTask: true } });
  expect(await world.over(id)).toMatchObject({ state: 'done' });
  const texts = world.journal.facts.filter((f) => f.kind === 'text' && f.data.text === 'once');
  const calls = world.journal.facts.filter((f) => f.kind === 'tool.ended');
  expect([texts.length, calls.length]).toEqual([1, 1]);
  return `two frames came twice: the call and the answer were told once each; ${await duplicateWord(world)}`;
};

/** In a world of its own: for faults that a daemon must be started with. */
async function alone(
  kind: AgentKind,
  play: (world: World) => Promise<string>,
  config: (agent: ScriptedAgent) => object = () => ({}),
): Promise<string> {
  await using world = await World.make(kind, config);
  return await play(world);
}

const diskFull = (kind: AgentKind): Promise<string> =>
  alone(kind, async (world) => {
    const config = await readFile(join(world.home, 'config.jsonc'));
    await run('mount', ['-t', 'tmpfs', '-o', 'size=160m,mode=0700', 'gantry-test', world.home]);
    try {
      await writeFile(join(world.home, 'config.jsonc'), config);
      await world.up();
      const half = await halfway(world);
      const filler = join(world.home, 'filler');
      await expect(run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096'])).rejects.toThrow(/No space left/);
      const big = { to: 'project/worker/worker-1', text: 'x'.repeat(90_000) };
      const send = (): Promise<unknown> => world.call('messages.send', big).catch((error: unknown) => error);
      const refused = await until(
        async () => ((await send()) as { code?: string }).code ?? null,
        { everyMs: 1, limitMs: LIMIT_MS },
        () => new Error('the disk is not full'),
      );
      expect(refused).toBe('disk_full');
      expect(await world.call('status', {})).toMatchObject({ pid: world.daemonPid });
      await run('rm', [filler]);
      return `commands were refused as disk_full, the daemon stayed; with room again: ${await whole(world, half)}`;
    } finally {
      await world.down();
      await run('umount', ['-l', world.home]);
    }
  });

const clockJump = (kind: AgentKind): Promise<string> =>
  alone(
    kind,
    async (world) => {
      const clock = join(world.root, 'clock');
      await writeFile(clock, '0');
      Object.assign(world.env, { NODE_OPTIONS: `--import=${CLOCK}`, GANTRY_TEST_CLOCK: clock });
      await world.up();
      const half = await halfway(world);
      await writeFile(clock, String(2 * HOUR_MS));
      const ahead = await world.submitOne([{ text: 'ahead' }]);
      expect(await world.over(ahead.id)).toMatchObject({ state: 'done' });
      await writeFile(clock, String(-2 * HOUR_MS));
      const behind = await world.submitOne([{ text: 'behind' }]);
      expect(await world.over(behind.id)).toMatchObject({ state: 'done' });
      expect(ahead.createdAt - behind.createdAt).toBeGreaterThan(3 * HOUR_MS);
      return `2 h forward, then 4 h back under a turn: other work came and went; ${await whole(world, half)}`;
    },
    // The daemon gets what a role of the configuration names.
    () => ({ roles: { clock: { env: ['NODE_OPTIONS'] } } }),
  );

type Cell = { readonly fault: Fault; readonly options: ScenarioOptions; readonly play: (kind: AgentKind) => Play };

const SHARED: readonly Cell[] = [
  { fault: 'kill agent', options: { deaths: 1 }, play: () => killAgent },
  { fault: 'kill daemon', options: {}, play: () => killDaemon },
  { fault: 'kill host', options: { deaths: 1 }, play: () => killHost },
  { fault: 'cut stream', options: { deaths: 1 }, play: () => cutStream },
  { fault: 'late word', options: {}, play: () => lateWord },
  { fault: 'duplicate word', options: {}, play: ({ name }) => (name === 'fake' ? duplicateFrame : duplicateWord) },
];

/** Registers the faults on one backend; each is really made, and what was observed is written down for the page. */
export function matrix(kind: AgentKind): void {
  if (process.env.GANTRY_FAULT_MATRIX === undefined) {
    it(`docs/fault-matrix.md says what was observed on ${kind.name}: npm run test:faults`, async () => {
      const page = await readFile(PAGE, 'utf8');
      const section = page.split(/^## /m).find((part) => part.startsWith(`${kind.name}\n`)) ?? '';
      for (const fault of FAULTS) expect(section).toContain(`| ${fault} |`);
    });
    return;
  }
  vi.setConfig({ testTimeout: CELL_LIMIT_MS });
  playOn(kind);
  const observe = async (fault: Fault, seen: string): Promise<void> => {
    const file = recordFile(kind.name, fault);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, seen);
  };
  for (const { fault, options, play } of SHARED) {
    scenario(`fault: ${fault}`, options, async (world) => {
      await observe(fault, await play(kind)(world));
    });
  }
  it(`fault: disk full (${kind.name})`, async () => {
    await observe('disk full', await diskFull(kind));
  });
  it(`fault: clock jump (${kind.name})`, async () => {
    await observe('clock jump', await clockJump(kind));
  });
}
