import { access, constants } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { AppError } from '../../contract/errors.ts';
import type { BackendContext, Probe } from '../backend.ts';
import { privateHome } from '../private-home.ts';
import { checkVersion, versionOf } from './dialects.ts';
import { connectHttp, HttpFailure } from './http.ts';

/** On a machine that has much to do a start alone takes many seconds. */
const PROBE_LIMIT_MS = 45_000;
const INSTALL = 'npm install -g opencode-ai';
const NO_RG =
  'ripgrep (rg) is not on PATH: the tools grep and glob of OpenCode download it at first use, and fail where there is no network';

/** Whether OpenCode can be used, and what is worth knowing. @throws AppError `cancelled` */
export async function probe(context: BackendContext, signal: AbortSignal): Promise<Probe> {
  return context.settings.url === undefined ? await probeProgram(context, signal) : await probeServer(context);
}

async function probeProgram(
  { settings, host, home, environment }: BackendContext,
  signal: AbortSignal,
): Promise<Probe> {
  const [program = 'opencode', ...args] = settings.command ?? [];
  const env = { ...environment, ...settings.env };
  const executable = await findProgram(program, env.PATH);
  const nothing = { isInstalled: false, version: null, executable: null, notices: [] };
  if (executable === null) return { ...nothing, problem: `there is no program "${program}": ${INSTALL}` };
  try {
    const result = await host.run({
      command: [program, ...args, '--version'],
      cwd: home,
      // Even for its version it makes directories in the home that it is given.
      env: { ...env, ...privateHome(join(home, 'probe')) },
      marker: null,
      limitMs: PROBE_LIMIT_MS,
      signal,
    });
    if (result.isAborted) throw new AppError('cancelled', 'the probe was cancelled');
    const version = /^(\d+\.\d+\.\S+)$/m.exec(result.stdout)?.[1] ?? null;
    if (version === null) {
      const words = result.isTimedOut ? 'no answer in time' : result.stderr.trim().slice(0, 500);
      return { ...nothing, executable, problem: `${executable} --version did not tell a version: ${words}` };
    }
    const { problem, notice } = checkVersion(version);
    const hasRg = (await findProgram('rg', env.PATH)) !== null;
    const notices = [...(notice === null ? [] : [notice]), ...(hasRg ? [] : [NO_RG])];
    return { isInstalled: true, version, executable, problem, notices };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'spawn_failed') throw error;
    return { ...nothing, problem: `${error.message}: ${INSTALL}` };
  }
}

async function probeServer({ settings }: BackendContext): Promise<Probe> {
  const url = settings.url ?? '';
  const nothing = { isInstalled: false, version: null, executable: null, notices: [] };
  try {
    const http = connectHttp(url, settings.env?.OPENCODE_SERVER_PASSWORD ?? null);
    const version = await versionOf(http, PROBE_LIMIT_MS);
    const { problem, notice } = checkVersion(version);
    return { isInstalled: true, version, executable: null, problem, notices: notice === null ? [] : [notice] };
  } catch (error) {
    if (!(error instanceof HttpFailure) && !(error instanceof AppError)) throw error;
    return { ...nothing, problem: `no OpenCode server answers at ${url}: ${error.message}` };
  }
}

/** Null if there is none: a path as it is, a name in the absolute places of PATH. */
async function findProgram(program: string, path: string | undefined): Promise<string | null> {
  const places = program.includes('/')
    ? [program]
    : (path ?? '')
        .split(':')
        .filter(isAbsolute)
        .map((place) => join(place, program));
  for (const place of places) {
    const isThere = await access(place, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return place;
  }
  return null;
}
