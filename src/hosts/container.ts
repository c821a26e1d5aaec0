import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { until } from '../base/wait.ts';
import { AppError } from '../contract/errors.ts';
import { type RunResult, runCommand } from '../process/run.ts';
import { MARKER_VARIABLE } from '../process/table.ts';
import { setGroupFrozen } from './freezer.ts';
import type { Host, ProcessRecord, StopReport } from './host.ts';
import { type Enclosed, type Enclosure, type WalledOptions, walledHost } from './walled.ts';
import type { Wall } from './walls.ts';

export type ContainerOptions = WalledOptions & {
  /** Whose containers they are: of one home, and of one of its daemons. */
  readonly owner: { readonly home: string; readonly run: string };
  readonly settings: () => {
    readonly engine: 'podman' | 'docker';
    readonly image: string;
    readonly memory: number;
    readonly cpus: number;
    readonly processes: number;
  };
};

/** Of the daemon's environment, what the engines' own programs look at. */
const ENGINE_VARIABLES = [
  'PATH',
  'HOME',
  'XDG_RUNTIME_DIR',
  'CONTAINERS_CONF',
  'CONTAINERS_STORAGE_CONF',
  'DOCKER_HOST',
  'DOCKER_CONFIG',
];
/** Where the image has such a directory, its mode holds (runc). */
const SCRATCH = 'rw,exec,nosuid,nodev,mode=1777,size=1g';
/** Inside; outside it is whoever Gantry runs as. */
const USER = '1000';
const PROBE_LIMIT_MS = 20_000;
const OF_HOME = 'gantry.home';
const OF_RUN = 'gantry.run';
const OF_WORK = 'gantry.work';
/** Podman writes down that a container runs when its program has begun already. */
const BEFORE_RUNNING = ['configured', 'created', 'initialized'];
/** An engine under load may take long for a word, and one of its own may fail. */
const CHANGES = { everyMs: 100, limitMs: 60_000 };

/** Programs of this machine in containers of an image (tested with Podman 4.3 and Docker 20.10). */
export function containerHost(options: ContainerOptions): Host {
  const host = walledHost('container', options, (inner) => enclose(inner, options));
  const stopping = async (marker: string, stop: () => Promise<StopReport>): Promise<StopReport> => {
    for (const { pid } of await host.find(marker)) await setGroupFrozen(pid, false);
    const report = await stop();
    // What removes it may have been ended with the rest.
    const labels = [`${OF_HOME}=${options.owner.home}`, `${OF_WORK}=${marker}`];
    await removeAll((await containersOf(labels, options)) ?? [], options);
    return report;
  };
  return {
    ...host,
    start: async (spec) => {
      const process = await host.start(spec);
      return { ...process, stop: (how) => stopping(spec.marker, () => process.stop(how)) };
    },
    stop: (record, how) => stopping(record.marker, () => host.stop(record, how)),
    freeze: (record) => setFrozen(record, true, options),
    thaw: (record) => setFrozen(record, false, options),
  };
}

/**
 * What the engine answers is not enough: the container must be so, by its word and by the kernel's. One that does not go on is
 * removed.
 */
async function setFrozen({ marker }: ProcessRecord, isFrozen: boolean, options: ContainerOptions): Promise<void> {
  const { environment, owner } = options;
  const { engine } = options.settings();
  const verb = isFrozen ? 'pause' : 'unpause';
  const refusal = (words: string) => new AppError('internal', `${engine} ${verb}: ${words}`);
  const labels = [`${OF_RUN}=${owner.run}`, `${OF_WORK}=${marker}`];
  let words = 'the container is not so afterwards';
  const isSo = async (id: string): Promise<boolean> => {
    const { status, pid } = await stateOf(id, options);
    if (status === null || BEFORE_RUNNING.includes(status)) return false;
    // What the engine did not bring to its end before is brought to where it believes it is: else it would refuse.
    if (pid > 0) await setGroupFrozen(pid, status === 'paused', id);
    if (status === (isFrozen ? 'paused' : 'running')) return true;
    const done = await ask([engine, verb, id], environment);
    words = done?.stderr.trim().split('\n').at(-1) || words;
    return false;
  };
  const areSo = async (): Promise<true | null> => {
    const ids = await containersOf(labels, options);
    if (ids === null) return null;
    if (ids.length === 0) throw refusal(`there is no container of ${marker}`);
    const states = await Promise.all(ids.map(isSo));
    return states.every(Boolean) ? true : null;
  };
  try {
    await until(areSo, CHANGES, () => refusal(words));
  } catch (error) {
    if (!isFrozen) await removeAll((await containersOf(labels, options)) ?? [], options);
    throw error;
  }
}

/** What the engine says of a container; null: nothing. */
async function stateOf(
  id: string,
  { settings, environment }: ContainerOptions,
): Promise<{ readonly status: string | null; readonly pid: number }> {
  const format = '{{.State.Status}} {{.State.Pid}}';
  const found = await ask([settings().engine, 'inspect', '--format', format, id], environment);
  const [status = '', pid] = found?.code === 0 ? found.stdout.trim().split(' ') : [];
  return { status: status === '' ? null : status, pid: Number(pid ?? 0) };
}

/** By their labels; none without an engine, null if it does not say. */
async function containersOf(
  labels: readonly string[],
  { settings, environment }: ContainerOptions,
): Promise<readonly string[] | null> {
  const filters = labels.flatMap((label) => ['--filter', `label=${label}`]);
  const listed = await ask([settings().engine, 'ps', '--all', '--quiet', '--no-trunc', ...filters], environment);
  if (listed === null) return [];
  return listed.code === 0 ? listed.stdout.split('\n').filter((id) => id !== '') : null;
}

/** Also what is frozen, where it would not die, whatever the engine believes of it. */
async function removeAll(ids: readonly string[], options: ContainerOptions): Promise<void> {
  const { engine } = options.settings();
  for (const id of ids) {
    const { status, pid } = await stateOf(id, options);
    if (status === 'paused') await ask([engine, 'unpause', id], options.environment);
    if (pid > 0) await setGroupFrozen(pid, false, id);
    await ask([engine, 'rm', '--force', id], options.environment);
  }
}

/** Why there can be no container here, with the remedy; null if there can. */
export async function containerProblem({ settings, environment }: ContainerOptions): Promise<string | null> {
  const { engine, image } = settings();
  if (process.platform !== 'linux') return 'a container needs Linux: the programs of this machine run in it';
  if (engine === 'docker' && process.getuid?.() === 0) {
    return 'Gantry runs as root, and so would what Docker starts: run it as another user, or set container.engine to "podman"';
  }
  const found = await ask([engine, 'image', 'inspect', '--format', 'ok', image], environment);
  if (found === null) return `${engine} is not installed: install it, or set container.engine`;
  if (found.code === 0) return null;
  const words = found.stderr.trim().split('\n').at(-1);
  return `${engine} has no image ${image} (${words}): gantry image build`;
}

/**
 * Removes what containers earlier daemons of this home have left, stopped or frozen, and no other. Their programs end with
 * their daemon; what a kill or a power cut in the wrong moment leaves is the container.
 * @returns their ids
 */
export async function sweepContainers(options: ContainerOptions): Promise<readonly string[]> {
  const { home, run } = options.owner;
  const all = await containersOf([`${OF_HOME}=${home}`], options);
  if (all === null || all.length === 0) return [];
  const own = await containersOf([`${OF_RUN}=${run}`], options);
  const left = own === null ? [] : all.filter((id) => !own.includes(id));
  await removeAll(left, options);
  return left;
}

async function ask(
  command: readonly [string, ...string[]],
  environment: ContainerOptions['environment'],
): Promise<RunResult | null> {
  try {
    return await runCommand({
      command,
      cwd: tmpdir(),
      env: engineEnvironment(environment),
      marker: null,
      limitMs: PROBE_LIMIT_MS,
    });
  } catch (error) {
    if (error instanceof AppError && error.code === 'spawn_failed') return null;
    throw error;
  }
}

const engineEnvironment = (environment: ContainerOptions['environment']): Record<string, string> =>
  Object.fromEntries(
    ENGINE_VARIABLES.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );

function enclose(
  { walls, cwd, marker, command }: Enclosed,
  { settings, environment, owner }: ContainerOptions,
): Enclosure {
  const { engine, image, memory, cpus, processes } = settings();
  const limits = [
    ...['--memory', String(memory), '--memory-swap', String(memory), '--cpus', String(cpus)],
    ...['--pids-limit', String(processes)],
  ];
  const strict = ['--network', 'none', '--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
  const labels = ['--label', `${OF_HOME}=${owner.home}`, '--label', `${OF_RUN}=${owner.run}`];
  const mark = marker === null ? [] : ['--env', `${MARKER_VARIABLE}=${marker}`, '--label', `${OF_WORK}=${marker}`];
  return {
    command: [
      engine,
      ...['run', '--rm', '--interactive', '--pull', 'never', '--name', `gantry-${randomUUID()}`],
      ...[...strict, ...limits, ...userOf(engine), ...labels, ...mark, '--tmpfs', `/tmp:${SCRATCH}`],
      ...walls.flatMap(argumentsOf),
      ...['--workdir', cwd, '--entrypoint', command[0] ?? '', image, ...command.slice(1)],
    ],
    env: engineEnvironment(environment),
  };
}

/** Not root inside, and as the owner of the workspace outside. */
function userOf(engine: 'podman' | 'docker'): readonly string[] {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  if (engine === 'docker') return ['--user', `${uid}:${gid}`];
  if (uid !== 0) return ['--userns', 'keep-id', '--user', `${uid}:${gid}`];
  const map = (kind: string): string[] => [kind, `0:1:${USER}`, kind, `${USER}:0:1`];
  return [...map('--uidmap'), ...map('--gidmap'), '--user', `${USER}:${USER}`];
}

function argumentsOf({ path, kind }: Wall): string[] {
  if (kind === 'empty') return ['--tmpfs', `${path}:${SCRATCH}`];
  const field = (text: string): string => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const fields = ['type=bind', field(`src=${path}`), field(`dst=${path}`), ...(kind === 'readable' ? ['ro=true'] : [])];
  return ['--mount', fields.join(',')];
}
