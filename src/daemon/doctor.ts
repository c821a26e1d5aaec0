import { mkdtemp, rm, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend } from '../backends/backend.ts';
import type { OutputOf, ParsedInputOf } from '../contract/api.ts';
import { toAppError } from '../contract/errors.ts';
import type { BackendId } from '../contract/ids.ts';
import type { DoctorCheck } from '../contract/shapes.ts';
import type { Engine } from '../engine/engine.ts';
import { Git } from '../git/git.ts';
import { inspect } from '../git/inspect.ts';
import type { Store } from '../store/store.ts';
import type { Configuration } from './config.ts';
import { explainCredentials } from './credentials.ts';
import { tryBackend } from './doctor-backend.ts';
import type { Environment } from './environment.ts';

export type DoctorParts = {
  readonly home: string;
  readonly environment: Environment;
  readonly store: Store;
  readonly engine: Engine;
  readonly configuration: Configuration;
  readonly backends: ReadonlyMap<BackendId, Backend>;
};

/** Below this the disk will soon be full of an agent's build output. */
const LOW_DISK_BYTES = 1_000_000_000;
/** Rozet's variables and what takes their place (they are never read). */
const ROZET: Readonly<Record<string, string>> = {
  ROZET_OPEN_CODE_BASE_URL: 'GANTRY_OPENCODE_URL or backends.opencode.url',
  ROZET_OPEN_CODE_MODEL: '--model, or the role’s model',
  ROZET_ORCHESTRATOR_MODEL: 'GANTRY_PLANNER_MODEL',
  ROZET_ORCHESTRATOR_ENDPOINT: 'GANTRY_PLANNER_ENDPOINT',
  ROZET_ORCHESTRATOR_TEMPERATURE: 'GANTRY_PLANNER_TEMPERATURE',
  ROZET_ORCHESTRATOR_SYSTEM_PROMPT: 'GANTRY_PLANNER_PROMPT_FILE',
  ROZET_HOME: 'GANTRY_HOME',
};

const ok = (name: string, detail: string): DoctorCheck => ({ name, status: 'ok', detail, repair: null });
const problem = (name: string, detail: string, repair: string): DoctorCheck => ({
  name,
  status: 'problem',
  detail,
  repair,
});
const notice = (name: string, detail: string, repair: string | null): DoctorCheck => ({
  name,
  status: 'notice',
  detail,
  repair,
});

/** Looks at everything that the main job needs; `isQuick` starts no agent program. Changes nothing lasting. */
export async function runDoctor(input: ParsedInputOf<'doctor'>, parts: DoctorParts): Promise<OutputOf<'doctor'>> {
  const projectPath = input.project === undefined ? null : parts.engine.queries.project(input.project).path;
  const checks = [
    ok('node', process.version),
    await checkGit(parts, projectPath),
    ...(await checkHome(parts)),
    checkStore(parts),
    ...checkConfiguration(parts, projectPath),
    ...checkRozet(parts),
    ...(await checkBackends(parts, input.isQuick)),
  ];
  return { isOk: checks.every(({ status }) => status !== 'problem'), checks };
}

async function checkGit({ environment }: DoctorParts, projectPath: string | null): Promise<DoctorCheck> {
  const git = new Git(environment);
  try {
    if (projectPath === null) return ok('git', await git.read(tmpdir(), ['--version']));
    const { gitVersion, dirtyCount, root } = await inspect(git, projectPath);
    const dirty = dirtyCount > 0 ? `; ${dirtyCount} uncommitted files` : '';
    return ok('git', `git ${gitVersion}, ${root}${dirty}`);
  } catch (error) {
    return problem(
      'git',
      toAppError(error).message,
      'install git 2.38 or newer; the project must be a git repository with a commit',
    );
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

function checkStore({ store }: DoctorParts): DoctorCheck {
  const { fileBytes } = store.size();
  return ok('store', `${(fileBytes / 1e6).toFixed(1)} MB, ${store.journal.head()} facts written`);
}

function checkConfiguration({ configuration, environment }: DoctorParts, projectPath: string | null): DoctorCheck[] {
  try {
    const { settings, notices } = configuration.check(projectPath);
    const { planner, defaultBackend } = settings;
    const said = notices.map((text) => notice('configuration', text, null));
    if (planner.model === undefined)
      return [ok('configuration', 'valid'), ok('planner', `the model of ${defaultBackend} plans`), ...said];
    const keys = explainCredentials(planner, environment, projectPath);
    const isFound = keys.length === 0 || planner.endpoint !== undefined || keys.some(({ value }) => value !== null);
    const check = isFound
      ? ok('planner', planner.model)
      : problem(
          'planner',
          `${planner.model} needs a key`,
          `set ${keys.map(({ key }) => key).join(' or ')}, or remove planner.model`,
        );
    return [ok('configuration', 'valid'), check, ...said];
  } catch (error) {
    return [
      problem('configuration', toAppError(error).message, 'mend the file; `gantry config explain` shows what holds'),
    ];
  }
}

const checkRozet = ({ environment }: DoctorParts): DoctorCheck[] =>
  Object.keys(environment)
    .filter((name) => name.startsWith('ROZET_'))
    .map((name) => notice('rozet', `${name} is set and not read`, `use ${ROZET[name] ?? '`gantry import rozet`'}`));

async function checkBackends(parts: DoctorParts, isQuick: boolean): Promise<DoctorCheck[]> {
  const { defaultBackend } = parts.configuration.settingsFor(null);
  const statuses = await parts.engine.queries.backends();
  const checks: DoctorCheck[] = [];
  for (const { id, version, executable, problem: fault, notices } of statuses) {
    // The scripted fake agent is for tests: it is looked at where somebody works with it.
    if (id === 'fake' && defaultBackend !== 'fake') continue;
    const backend = parts.backends.get(id);
    if (fault !== null || !backend) {
      const isNeeded = id === defaultBackend;
      checks.push(
        (isNeeded ? problem : notice)(
          `backend ${id}`,
          fault ?? 'not made',
          `install it, or set backends.${id}.command`,
        ),
      );
      continue;
    }
    checks.push(ok(`backend ${id}`, `${version ?? 'version unknown'} at ${executable ?? 'unknown'}`));
    checks.push(...notices.map((text) => notice(`backend ${id}`, text, null)));
    if (!isQuick) checks.push(...(await inScratch((directory) => tryBackend(backend, directory))));
  }
  return checks;
}

async function inScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-doctor-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
