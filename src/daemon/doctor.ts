import { mkdtemp, rm, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend } from '../backends/backend.ts';
import type { OutputOf } from '../contract/api.ts';
import { toAppError } from '../contract/errors.ts';
import type { BackendId } from '../contract/ids.ts';
import { Isolation } from '../contract/isolation.ts';
import type { BackendStatus, DoctorCheck } from '../contract/shapes.ts';
import type { Engine } from '../engine/engine.ts';
import { Git } from '../git/git.ts';
import { inspect } from '../git/inspect.ts';
import { buildEnvironment } from '../hosts/environment.ts';
import type { Store } from '../store/store.ts';
import type { DaemonBridges } from './bridges.ts';
import type { Configuration } from './config.ts';
import { tryBackend } from './doctor-backend.ts';
import { notice, ok, problem } from './doctor-checks.ts';
import { checkEvents, type EventDoctorParts } from './doctor-events.ts';
import { checkOpencodeServers } from './doctor-opencode.ts';
import { checkPlanner } from './doctor-planner.ts';
import type { Environment } from './environment.ts';
import type { Isolations } from './isolation.ts';
import { ROZET_VARIABLES } from './rozet-variables.ts';
import type { DaemonSettings } from './settings.ts';

export type DoctorParts = EventDoctorParts & {
  readonly environment: Environment;
  readonly store: Store;
  readonly engine: Engine;
  readonly configuration: Configuration;
  readonly settingsAtStart: DaemonSettings;
  readonly backends: ReadonlyMap<BackendId, Backend>;
  readonly bridges: Pick<DaemonBridges, 'check'>;
  readonly isolations: Isolations;
};

/** Below this the disk will soon be full of agents' build output. */
const LOW_DISK_BYTES = 1_000_000_000;
/** A larger database would keep the daemon busy for seconds. */
const MAX_CHECKED_BYTES = 1_000_000_000;

/** Looks at everything that the main job needs; `isQuick` starts no agent and asks no model. Leaves one marker event. */
export async function runDoctor(
  { projectPath, isQuick }: { readonly projectPath: string | null; readonly isQuick: boolean },
  parts: DoctorParts,
): Promise<OutputOf<'doctor'>> {
  const groups = await Promise.all([
    [ok('node', process.version)],
    checkGit(parts, projectPath),
    checkHome(parts),
    checkStore(parts),
    checkConfiguration(parts, projectPath, isQuick),
    checkRozet(parts),
    checkOpencodeServers(parts.environment, projectPath),
    checkEvents(parts),
    parts.bridges.check(),
    checkIsolation(parts, projectPath),
    checkBackends(parts, isQuick),
  ]);
  const checks = groups.flat();
  return { isOk: checks.every(({ status }) => status !== 'problem'), checks };
}

async function checkGit({ environment }: DoctorParts, projectPath: string | null): Promise<DoctorCheck[]> {
  const git = new Git(buildEnvironment(environment, {}));
  try {
    if (projectPath === null) return [ok('git', await git.read(tmpdir(), ['--version']))];
    const { gitVersion, dirtyCount, root } = await inspect(git, projectPath);
    const dirty = dirtyCount > 0 ? `; ${dirtyCount} uncommitted files, which agents would not see` : '';
    const secrets = await git.read(root, ['ls-files', '--', '.env', 'credentials/.env']);
    const tracked = secrets.split('\n').filter((file) => file !== '');
    return [
      ok('git', `git ${gitVersion}, ${root}${dirty}`),
      ...tracked.map((file) => {
        const repair = `git rm --cached ${file}, add it to .gitignore, and replace the keys that were in it`;
        return notice('git', `${file} is tracked: its keys are in the history`, repair);
      }),
    ];
  } catch (error) {
    const repair = 'install git 2.38 or newer; the project must be a git repository with a commit';
    return [problem('git', toAppError(error).message, repair)];
  }
}

async function checkHome({ home }: DoctorParts): Promise<DoctorCheck[]> {
  const { mode } = await stat(home);
  const { bavail, bsize } = await statfs(home);
  const free = bavail * bsize;
  const gigabytes = `${(free / 1e9).toFixed(1)} GB free`;
  const isPrivate = (mode & 0o077) === 0;
  return [
    isPrivate ? ok('home', home) : problem('home', `${home} can be read by others`, `chmod 700 ${home}`),
    free > LOW_DISK_BYTES
      ? ok('disk', gigabytes)
      : problem('disk', gigabytes, 'free some space: worktrees and build output need it'),
  ];
}

function checkStore({ store, home }: DoctorParts): DoctorCheck[] {
  const { fileBytes } = store.size();
  const size = `${(fileBytes / 1e6).toFixed(1)} MB, up to fact ${store.journal.head()}`;
  if (fileBytes > MAX_CHECKED_BYTES) return [ok('store', `${size}; too large to be checked while the daemon runs`)];
  const [fault] = store.check();
  if (fault === undefined) return [ok('store', `${size}, sound`)];
  return [problem('store', fault, `stop the daemon and go back to a copy in ${join(home, 'backups')}`)];
}

async function checkConfiguration(
  { configuration, environment, settingsAtStart }: DoctorParts,
  projectPath: string | null,
  isQuick: boolean,
): Promise<DoctorCheck[]> {
  try {
    const { settings, notices } = configuration.check(projectPath);
    const waiting = configuration.changedSince(settingsAtStart);
    return [
      ok('configuration', 'valid'),
      ...waiting.map((key) =>
        notice('configuration', `${key} has changed and holds from the next start on`, 'gantry down, then gantry up'),
      ),
      ...notices.map((text) => notice('configuration', text, null)),
      ...(await checkPlanner(settings, environment, projectPath, isQuick)),
    ];
  } catch (error) {
    const { message } = toAppError(error);
    return [problem('configuration', message, 'mend it; `gantry config explain` shows what holds')];
  }
}

const checkRozet = ({ environment }: DoctorParts): DoctorCheck[] =>
  Object.keys(environment)
    .filter((name) => name.startsWith('ROZET_'))
    .map((name) => {
      return notice('rozet', `${name} is set and not read`, `use ${ROZET_VARIABLES[name] ?? '`gantry import rozet`'}`);
    });

/** One row for each kind of walls; what the configuration asks for must be there. */
async function checkIsolation(
  { isolations, configuration }: DoctorParts,
  projectPath: string | null,
): Promise<DoctorCheck[]> {
  const { isolation, roles } = configuration.settingsFor(projectPath);
  const wanted = new Set([isolation, ...Object.values(roles).map((role) => role.isolation)]);
  const kinds = Isolation.options.filter((kind) => kind !== 'process');
  return await Promise.all(
    kinds.map(async (kind) => {
      const name = `isolation ${kind}`;
      const cause = await isolations.problem(kind);
      if (cause === null) return ok(name, 'can be had');
      return (wanted.has(kind) ? problem : notice)(name, cause, `tasks that ask for it are refused; docs/isolation.md`);
    }),
  );
}

async function checkBackends(parts: DoctorParts, isQuick: boolean): Promise<DoctorCheck[]> {
  const { defaultBackend } = parts.configuration.settingsFor(null);
  const statuses = await parts.engine.queries.backends();
  // The scripted fake agent is for tests: it is looked at where somebody works with it.
  const wanted = statuses.filter(({ id }) => id !== 'fake' || defaultBackend === 'fake');
  const groups = wanted.map(async (status) => {
    const backend = parts.backends.get(status.id);
    const isNeeded = status.id === defaultBackend;
    const seen = probed(status, isNeeded);
    if (status.problem !== null || !backend || isQuick) return seen;
    const tried = await inScratch((directory) => tryBackend(backend, directory));
    return [...seen, ...(isNeeded ? tried : tried.map(asNotice))];
  });
  return (await Promise.all(groups)).flat();
}

/** The main job works without it. */
const asNotice = (check: DoctorCheck): DoctorCheck =>
  check.status === 'problem' ? { ...check, status: 'notice' } : check;

function probed({ id, version, executable, problem: fault, notices }: BackendStatus, isNeeded: boolean): DoctorCheck[] {
  const name = `backend ${id}`;
  const said = notices.map((text) => notice(name, text, null));
  if (fault === null) return [ok(name, `${version ?? 'version unknown'} at ${executable ?? 'unknown'}`), ...said];
  return [(isNeeded ? problem : notice)(name, fault, `install it, or set backends.${id}.command`), ...said];
}

export async function inScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-doctor-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
