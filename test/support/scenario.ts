import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Fact } from '../../src/contract/fact.ts';
import { doubleAttempts } from './double-attempts.ts';
import { lineOf } from './journal-watch.ts';
import { hashOfTree, leftovers } from './leftovers.ts';
import { type AgentKind, fake } from './scripted-agent.ts';
import { type Project, World, type WorldConfig } from './world.ts';

/** How much of the journal a failure shows. */
const SHOWN_FACTS = 40;

export type ScenarioOptions = {
  readonly config?: WorldConfig;
  /** How many sessions really died: every further one that is called lost is a false death. */
  readonly deaths?: number;
  /** Errors that the daemon's log must hold; any other is a failure. */
  readonly errors?: readonly RegExp[];
  /** Backends that this cannot be asked of, with the reason; `real`: all but the fake one. */
  readonly not?: Readonly<Record<string, string>>;
  /** A failure bound, where it takes longer than a scenario should. */
  readonly limitMs?: number;
};

/** The backends that scenarios are for; the first is the world's own. */
let stageKinds: readonly [AgentKind, ...AgentKind[]] = [fake];

/** From now on scenarios are for other backends: before their files are imported. */
export const playOn = (...kinds: readonly [AgentKind, ...AgentKind[]]): void => {
  stageKinds = kinds;
};

/**
 * Registers a test of one scenario: a world with its daemon up, and the common check at the end. The world is its own, or
 * where an agent can be renewed, the one of all scenarios.
 */
export function scenario(name: string, options: ScenarioOptions, body: (world: World) => Promise<void>): void {
  const kinds = stageKinds;
  const [kind] = kinds;
  const reason = options.not?.[kind.name] ?? (kind === fake ? undefined : options.not?.real);
  const names = kinds.map((one) => one.name).join(' and ');
  if (reason === undefined) it(`${name} (${names})`, () => play(kinds, options, body), options.limitMs);
}

/** The world that scenarios share, and how it was before them. */
type Stage = { readonly world: World; readonly before: Settings };

let stage: Stage | null = null;

afterAll(async () => {
  if (!stage) return;
  const { world, before } = stage;
  await using _ = world;
  await stopCheck(world, before);
});

async function play(
  kinds: typeof stageKinds,
  options: ScenarioOptions,
  body: (world: World) => Promise<void>,
): Promise<void> {
  const own = await stageFor(kinds, options.config);
  const { world, before } = own;
  // Whatever fails: no other scenario finds what this one has left.
  stage = null;
  await using stack = new AsyncDisposableStack();
  stack.use(world);
  const logged = (await world.log()).length;
  try {
    await body(world);
  } catch (error) {
    if (error instanceof Error)
      error.message += `\nThe journal ends:\n${world.journal.facts.slice(-SHOWN_FACTS).map(lineOf).join('\n')}`;
    throw error;
  }
  if (!world.agent.renew) return await commonCheck(world, before, options);
  await world.settled();
  checkFacts(world, options);
  await checkLog(world, options, logged);
  stage = own;
  stack.move();
}

async function stageFor([kind, ...others]: typeof stageKinds, config: WorldConfig | undefined): Promise<Stage> {
  if (stage) {
    await stage.world.renew(config);
    return stage;
  }
  const world = await World.make(kind, config, others);
  try {
    const before = await settingsOf(world);
    await world.up();
    return { world, before };
  } catch (error) {
    await world[Symbol.asyncDispose]();
    throw error;
  }
}

/** What is not Gantry's, and must be byte-identical afterwards. */
type Settings = { readonly user: string; readonly projects: ReadonlyMap<Project, string> };

export async function settingsOf(world: World): Promise<Settings> {
  const projects = await Promise.all(world.projects.map(async (p) => [p, await projectSettings(p)] as const));
  return { user: await hashOfTree(world.userHome), projects: new Map(projects) };
}

/** Configuration, hooks and what is checked out. */
async function projectSettings({ root, git }: Project): Promise<string> {
  const trees = await Promise.all(['hooks', 'info'].map((name) => hashOfTree(join(root, '.git', name))));
  const files = await Promise.all(['config', 'HEAD'].map((name) => readFile(join(root, '.git', name), 'utf8')));
  const state = [
    await git(['rev-parse', '--verify', '--quiet', 'HEAD']).catch(() => ''),
    await git(['status', '--porcelain']),
  ];
  return [...trees, ...files, ...state].join('\n');
}

/** What must hold at the end of every scenario; the daemon is stopped for it. */
export async function commonCheck(world: World, before: Settings, options: ScenarioOptions = {}): Promise<void> {
  await stopCheck(world, before);
  checkFacts(world, options);
  await checkLog(world, options, 0);
}

/** The daemon stops, and leaves nothing behind. */
async function stopCheck(world: World, before: Settings): Promise<void> {
  await world.down();
  expect((await leftovers(world.root)) ?? [], 'processes and ports that are left').toEqual([]);

  const after = await settingsOf(world);
  expect(after.user === before.user, 'the user’s own files are as they were').toBe(true);
  for (const [project, settings] of before.projects) expect(after.projects.get(project), project.root).toBe(settings);
  expect(await readdir(join(world.root, 'tmp')), 'temporary files').toEqual([]);
  const known = new Set(['home', 'user', 'tmp', 'projects', 'control', 'agent.log', 'bin', 'scratch']);
  expect(
    (await readdir(world.root)).filter((name) => !known.has(name)),
    'files outside of every directory',
  ).toEqual([]);
}

/** What the journal has told of the scenario. */
function checkFacts(world: World, options: ScenarioOptions): void {
  const { facts, view } = world.journal;
  expect(facts.filter((fact) => isCauseDue(fact) && !hasCause(fact)).map(lineOf), 'facts without a cause').toEqual([]);
  expect(doubleAttempts(facts), 'tasks with two live attempts').toEqual([]);
  const lost = facts.filter(
    (fact) => fact.kind === 'session.changed' && fact.data.from !== 'lost' && fact.data.to === 'lost',
  );
  expect(lost.length, `deaths: ${lost.map(lineOf).join('; ')}`).toBeLessThanOrEqual(options.deaths ?? 0);
  const saved = [...view.attempts.values()]
    .filter(({ state }) => state === 'done')
    .map(({ workspace }) => `${workspace}/`);
  const unsaved = facts.flatMap(({ kind, data }) =>
    kind === 'file.changed' && !saved.some((w) => data.path.startsWith(w)) ? [data.path] : [],
  );
  expect(
    unsaved.filter((path) => !existsSync(path)),
    'unsaved work that is gone',
  ).toEqual([]);
}

/** Only what was logged after the first `skipped` characters counts. */
async function checkLog(world: World, options: ScenarioOptions, skipped: number): Promise<void> {
  const log = (await world.log()).slice(skipped);
  expect(log, 'secrets in the log').not.toMatch(/gty_\w{8}/);
  const errors = log
    .split('\n')
    .filter(
      (line) =>
        (line.startsWith('{"level":50') || line.startsWith('{"level":60')) &&
        !options.errors?.some((known) => known.test(line)),
    );
  expect(errors, 'errors in the log').toEqual([]);
}

const ENDINGS: Readonly<Record<string, readonly string[]>> = {
  'request.changed': ['failed', 'cancelled', 'paused'],
  'task.changed': ['deferred', 'waiting', 'failed', 'cancelled'],
  'attempt.changed': ['failed', 'cancelled', 'superseded', 'lost'],
  'session.changed': ['paused', 'stopped', 'failed', 'lost'],
  'approval.changed': ['denied', 'expired', 'withdrawn'],
  'message.changed': ['expired', 'refused'],
};

const isCauseDue = ({ kind, data }: Fact): boolean =>
  'row' in data && data.from !== data.to && (ENDINGS[kind]?.includes(data.to) ?? false);

const hasCause = ({ data }: Fact): boolean => 'row' in data && (data.cause ?? '').trim() !== '';
