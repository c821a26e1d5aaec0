import { AppError } from '../../contract/errors.ts';
import type { BackendContext, Probe } from '../backend.ts';
import { commandOf, environmentOf } from './launch.ts';
import { checkVersion, INSTALL } from './version.ts';

/** On a machine that has much to do a start alone takes many seconds. */
const PROBE_LIMIT_MS = 45_000;

/** Whether Claude Code can be used. Its version is all that is asked: a login is its own business. @throws AppError `cancelled` */
export async function probe(context: BackendContext, signal: AbortSignal): Promise<Probe> {
  const command = commandOf(context);
  const executable = command.join(' ');
  const nothing = { isInstalled: false, version: null, executable: null, notices: [] };
  try {
    const result = await context.host.run({
      command: [...command, '--version'],
      cwd: context.home,
      env: environmentOf({ env: {} }, context),
      marker: null,
      limitMs: PROBE_LIMIT_MS,
      signal,
    });
    if (result.isAborted) throw new AppError('cancelled', 'the probe was cancelled');
    const version = /^(\d+\.\d+\.\d+\S*)/m.exec(result.stdout)?.[1] ?? null;
    if (version === null) {
      const words = result.isTimedOut ? 'no answer in time' : result.stderr.trim().slice(0, 500);
      return { ...nothing, executable, problem: `${executable} --version did not tell a version: ${words}` };
    }
    const { problem, notice } = checkVersion(version);
    return { isInstalled: true, version, executable, problem, notices: notice === null ? [] : [notice] };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'spawn_failed') throw error;
    return { ...nothing, problem: `${error.message}: ${INSTALL}` };
  }
}
