import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { until } from '../base/wait.ts';
import { AppError } from '../contract/errors.ts';
import { type RunResult, runCommand } from '../process/run.ts';
import { MARKER_VARIABLE } from '../process/table.ts';
import type { Host, ProcessRecord } from './host.ts';
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
  return {
    ...walledHost('container', options, (inner) => enclose(inner, options)),
    freeze: (record) => setFrozen(record, true, options),
    thaw: (record) => setFrozen(record, false, options),
  };
}

/** What the engine answers is not enough: the container must be so. One that does not go on is removed. */
async function setFrozen(
  { marker }: ProcessRecord,
  isFrozen: boolean,
  { settings, owner, environment }: ContainerOptions,
): Promise<void> {
  const { engine } = settings();
  const filters = [`label=${OF_RUN}=${owner.run}`, `label=${OF_WORK}=${marker}`].flatMap((one) => ['--filter', one]);
  const listed = await ask([engine, 'ps', '--all', '--quiet', '--no-trunc', ...filters], environment);
  const ids = (listed?.stdout ?? '').split('\n').filter((id) => id !== '');
  const verb = isFrozen ? 'pause' : 'unpause';
  if (ids.length === 0) throw new AppError('internal', `${engine} ${verb}: it has no container of ${marker}`);
  let words = 'the container is not so afterwards';
  const isSo = async (id: string): Promise<true | null> => {
    const status = (await ask([engine, 'inspect', '--format', '{{.State.Status}}', id], environment))?.stdout.trim();
    if (status === (isFrozen ? 'paused' : 'running')) return true;
    if (status !== undefined && BEFORE_RUNNING.includes(status)) return null;
    const done = await ask([engine, verb, id], environment);
    words = done?.stderr.trim().split('\n').at(-1) || words;
    return null;
  };
  for (const id of ids) {
    try {
      await until(
        () => isSo(id),
        CHANGES,
        () => new AppError('internal', `${engine} ${verb}: ${words}`),
      );
    } catch (error) {
      if (!isFrozen) await ask([engine, 'rm', '--force', id], environment);
      throw error;
    }
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
  const { engine } = options.settings();
  const { home, run } = options.owner;
  const listed = async (label: string): Promise<readonly string[] | null> => {
    const command = [engine, 'ps', '--all', '--quiet', '--no-trunc', '--filter', `label=${label}`] as const;
    const result = await ask(command, options.environment);
    return result?.code === 0 ? result.stdout.split('\n').filter((id) => id !== '') : null;
  };
  const all = await listed(`${OF_HOME}=${home}`);
  if (all === null || all.length === 0) return [];
  const own = await listed(`${OF_RUN}=${run}`);
  const left = own === null ? [] : all.filter((id) => !own.includes(id));
  for (const id of left) {
    // Where a frozen one would not die.
    await ask([engine, 'unpause', id], options.environment);
    await ask([engine, 'rm', '--force', id], options.environment);
  }
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
