import { existsSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { until } from '../base/wait.ts';
import { AppError, ERRORS, type ErrorCode } from '../contract/errors.ts';
import { isAlive } from '../process/identity.ts';
import { type RunningProcess, startProcess } from '../process/spawn.ts';
import { stopStranger } from '../process/stop.ts';
import { daemonEnvironment } from './daemon-environment.ts';
import { readDaemonFile } from './daemon-file.ts';
import type { Environment } from './environment.ts';
import { findDaemon, type RunningDaemon } from './find-daemon.ts';
import { makePrivateDirectory } from './private-file.ts';

const READY_LIMIT_MS = 30_000;
const POLL_MS = 50;
const STOP_GRACE_MS = 5_000;
const LAST_LINES = 15;
/** Saves 15 MB of an idle daemon's memory (Node 24: its default is 16 MB in three parts) at no cost that was measured. */
const YOUNG_SPACE = '--max-semi-space-size=2';
const MAX_LOG_BYTES = 5_000_000;
const KEPT_LOGS = 3;

/** What the daemon writes to stderr as its last line when it cannot start. */
export const StartFailure = z.object({
  startFailed: z.object({
    code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
    message: z.string(),
    details: z.record(z.string(), z.unknown()).optional(),
  }),
});

/**
 * The daemon of this home, started in the background if none runs. Several callers at once start one.
 * @throws AppError daemon_unreachable if it does not run and may not be started; timeout if it is not ready in time;
 *   otherwise what kept it from starting, as `port_in_use` or `bad_config`
 */
export async function ensureDaemon(options: {
  readonly home: string;
  readonly environment: Environment;
  readonly port?: number;
  readonly isStartAllowed: boolean;
  readonly limitMs?: number;
}): Promise<RunningDaemon> {
  const { home, isStartAllowed } = options;
  const found = await findDaemon(home);
  if (found) return found;
  if (!isStartAllowed && readDaemonFile(home) === null) {
    throw new AppError('daemon_unreachable', `no daemon runs for ${home}: start it with \`gantry up\``);
  }
  const child = isStartAllowed ? await start(options) : null;
  return await waitUntilReady(home, child, options.limitMs ?? READY_LIMIT_MS);
}

async function start({ home, environment, port }: Parameters<typeof ensureDaemon>[0]): Promise<RunningProcess> {
  makePrivateDirectory(home);
  makePrivateDirectory(join(home, 'logs'));
  if (readDaemonFile(home) === null) turnLogOver(logFile(home));
  const main = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url));
  const flags = port === undefined ? [] : ['--port', String(port)];
  return await startProcess({
    command: [process.execPath, YOUNG_SPACE, main, '--home', home, ...flags],
    cwd: home,
    env: daemonEnvironment(environment, home),
    marker: `gantry-daemon:${home}`,
    stdin: 'ignore',
    output: { file: logFile(home) },
  });
}

/** `daemon.log` becomes `daemon.log.1`, and so on; the oldest goes. A daemon that runs goes on in the file that it has. */
function turnLogOver(file: string): void {
  const { size } = statSync(file, { throwIfNoEntry: false }) ?? { size: 0 };
  if (size <= MAX_LOG_BYTES) return;
  for (let n = KEPT_LOGS; n > 0; n -= 1) {
    const older = n === 1 ? file : `${file}.${n - 1}`;
    if (existsSync(older)) renameSync(older, `${file}.${n}`);
  }
}

export const logFile = (home: string): string => join(home, 'logs', 'daemon.log');

async function waitUntilReady(home: string, child: RunningProcess | null, limitMs: number): Promise<RunningDaemon> {
  let hasEnded = false;
  void child?.exited.then(() => {
    hasEnded = true;
  });
  const lastWords = new AppError('timeout', `the daemon of ${home} was not ready within ${limitMs} ms`);
  try {
    return await until(
      async () => {
        const found = await findDaemon(home);
        const isOwn = child !== null && found?.pid === child.identity.pid;
        // One that was slower than another's ends by itself; left alone it would take over when that one is stopped.
        if (found && (isOwn || child === null || hasEnded)) return { ...found, isStarted: isOwn };
        if (hasEnded && child) await explainEnd(child);
        return null;
      },
      { everyMs: POLL_MS, limitMs },
      () => lastWords,
    );
  } catch (error) {
    if (error !== lastWords || !child) throw error;
    // What never got ready must not stay behind, nor answer later.
    const { code, signal } = await child.stop({ graceMs: STOP_GRACE_MS });
    throw new AppError('timeout', `${lastWords.message}; its last words:\n${await tail(child)}`, {
      details: { code, signal },
    });
  }
}

/** Another daemon that was faster is waited for; every other end is an error. */
async function explainEnd(child: RunningProcess): Promise<void> {
  const output = await child.lastOutput();
  const failure = output
    .split('\n')
    .map(parseFailure)
    .findLast((found) => found !== null);
  if (failure?.code === 'daemon_running') return;
  const details = failure?.details;
  if (failure) throw new AppError(failure.code, failure.message, details && { details });
  const { code, signal } = await child.exited;
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  throw new AppError(
    'daemon_unreachable',
    `the daemon ended at its start (${how}); its last words:\n${await tail(child)}`,
  );
}

function parseFailure(line: string): z.infer<typeof StartFailure>['startFailed'] | null {
  if (!line.startsWith('{"startFailed"')) return null;
  return StartFailure.safeParse(JSON.parse(line)).data?.startFailed ?? null;
}

const tail = async (child: RunningProcess): Promise<string> =>
  (await child.lastOutput()).trimEnd().split('\n').slice(-LAST_LINES).join('\n');

/**
 * Asks the daemon of this home to end, waits graceMs, then ends it with all that it started.
 * @returns what was stopped; null if none runs
 */
export async function stopDaemon(
  home: string,
  { graceMs }: { readonly graceMs: number },
): Promise<{ readonly pid: number; readonly isKilled: boolean } | null> {
  const record = readDaemonFile(home);
  if (!record) return null;
  const late = new AppError('timeout', 'the daemon has not ended');
  try {
    process.kill(record.pid, 'SIGTERM');
    await until(
      () => (isAlive(record) ? null : true),
      { everyMs: POLL_MS, limitMs: graceMs },
      () => late,
    );
    return { pid: record.pid, isKilled: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return { pid: record.pid, isKilled: false };
    if (error !== late) throw error;
    await stopStranger(record, `gantry-daemon:${home}`, { graceMs: 0 });
    return { pid: record.pid, isKilled: true };
  }
}

/** Ends the daemon of this home with all that it started, idle agent programs included, which a plain stop may leave. */
export async function endDaemon(home: string, { graceMs }: { readonly graceMs: number }): Promise<void> {
  const record = readDaemonFile(home);
  if (record) await stopStranger(record, `gantry-daemon:${home}`, { graceMs });
}
