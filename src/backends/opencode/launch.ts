import { once } from 'node:events';
import { type FSWatcher, watch } from 'node:fs';
import { readFile, stat, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { newId, newSecret } from '../../base/ids.ts';
import { pause, within } from '../../base/wait.ts';
import { AppError, toAppError } from '../../contract/errors.ts';
import type { Exit, HostProcess, ProcessRecord } from '../../hosts/host.ts';
import type { BackendContext, ProcessEntry } from '../backend.ts';
import type { Dialect } from './dialect.ts';
import { dialectFor, versionOf } from './dialects.ts';
import { prepareHome, removeOwn, sessionsOf } from './home.ts';
import { connectHttp, type Http, HttpFailure } from './http.ts';
import { fullConfig, type LaunchPlan } from './plan.ts';

/** A server that answers: started by us, or by an earlier daemon of this home. */
export type Launched = {
  readonly id: string;
  readonly version: string;
  readonly http: Http;
  readonly dialect: Dialect;
  /** Begins the marker of everything that the server starts. */
  readonly marker: string;
  /** Where the plugin looks for a session's file. */
  readonly sessions: string;
  readonly record: ProcessRecord;
  /** Null for one that is not our child. */
  readonly exited: Promise<Exit> | null;
  readonly isAlive: () => Promise<boolean>;
  /** Empties the output file if it has grown large. */
  readonly trimLog: () => Promise<void>;
  /** Writes down which of Gantry's sessions use it, for a sweep after a restart. */
  readonly addUser: (gantrySession: string) => void;
  readonly removeUser: (gantrySession: string) => void;
  /** Ends it with all that it started and forgets it. @returns how it ended, and pids that are still alive. */
  readonly stop: (graceMs: number) => Promise<{ readonly exit: Exit; readonly survivors: readonly number[] }>;
};

/** What the book keeps of a server. */
const BookData = z.object({
  key: z.string(),
  password: z.string(),
  own: z.string(),
  url: z.string().nullable(),
  /** Gantry's sessions that are open on it. */
  sessions: z.array(z.string()),
});

const HEALTH_LIMIT_MS = 5_000;
const HEALTH_PAUSE_MS = 50;
const FAILED_START_GRACE_MS = 500;
const STRAY_GRACE_MS = 2_000;
const MAX_LOG_BYTES = 4 * 1024 * 1024;
const URL_LINE = /^opencode server listening on (http:\/\/\S+)$/m;

/**
 * Starts a server; it answers when this resolves. It is in the book before it exists, and if the start fails nothing of
 * it is left. Its output goes to a file, so that it outlives the daemon.
 * @throws AppError `backend_missing`, `backend_version`, `backend_failed`, `timeout`, `cancelled`
 */
export async function startServer(
  plan: LaunchPlan,
  context: BackendContext,
  limitMs: number,
  signal: AbortSignal,
  onEntry: (id: string) => void,
): Promise<Launched> {
  const { book, clock, id: kind } = context;
  const id = newId('srv', clock.now());
  const data = {
    key: plan.key,
    password: newSecret('oc'),
    own: join(plan.home, 'servers', id),
    url: null,
    sessions: [],
  };
  const entry: ProcessEntry = { id, kind, marker: `${kind}-${id}`, record: null, data };
  onEntry(id);
  book.put(entry);
  let child: HostProcess | null = null;
  try {
    const made = await prepareHome(plan, data.own);
    child = await plan.host.start({
      command: plan.command,
      cwd: plan.paths.base,
      access: plan.access,
      env: {
        ...plan.env,
        ...made,
        OPENCODE_SERVER_PASSWORD: data.password,
        OPENCODE_CONFIG_CONTENT: JSON.stringify(fullConfig(plan, sessionsOf(data.own))),
      },
      marker: entry.marker,
      stdin: 'ignore',
      output: { file: logOf(data.own) },
    });
    book.put({ ...entry, record: child.record });
    const url = await ready(child, logOf(data.own), data.password, limitMs, signal);
    book.put({ ...entry, record: child.record, data: { ...data, url } });
    return await connect({ ...entry, record: child.record, data: { ...data, url } }, context, child);
  } catch (error) {
    await end(entry, context, child, FAILED_START_GRACE_MS);
    throw toOpenError(error, plan.command[0]);
  }
}

/** Takes over a server of the book if it lives, answers and has that key; one that does not answer is ended. Null if there is none. */
export async function adoptServer(
  key: string,
  context: BackendContext,
  isOurs: (id: string) => boolean,
): Promise<Launched | null> {
  for (const entry of context.book.list(context.id)) {
    const data = BookData.safeParse(entry.data).data;
    if (isOurs(entry.id) || data?.key !== key || !entry.record || data.url === null) continue;
    if (!(await context.host.isAlive(entry.record))) continue;
    try {
      return await connect(entry, context, null);
    } catch (error) {
      context.log.warn({ err: error, server: entry.id }, 'a server of an earlier daemon does not answer and is ended');
      await end(entry, context, null, STRAY_GRACE_MS);
    }
  }
  return null;
}

/** Ends a server of the book. @returns pids that were alive */
export async function endEntry(entry: ProcessEntry, context: BackendContext): Promise<readonly number[]> {
  const alive = await context.host.find(entry.marker);
  const root = entry.record && (await context.host.isAlive(entry.record)) ? [entry.record.pid] : [];
  await end(entry, context, null, STRAY_GRACE_MS);
  return [...new Set([...root, ...alive.map(({ pid }) => pid)])];
}

/** Whether a server of the book would answer now. */
export async function isHealthy(entry: ProcessEntry, { host }: BackendContext): Promise<boolean> {
  const data = BookData.safeParse(entry.data).data;
  if (!data || data.url === null || !entry.record || !(await host.isAlive(entry.record))) return false;
  return await versionOf(connectHttp(data.url, data.password), HEALTH_LIMIT_MS).then(
    () => true,
    () => false,
  );
}

/** Ends every process whose marker begins so. @returns pids that are still alive */
export async function endMarked(
  prefix: string,
  { host }: Pick<BackendContext, 'host'>,
  graceMs: number,
): Promise<readonly number[]> {
  const found = await host.find(prefix);
  const reports = await Promise.all(found.map((record) => host.stop(record, { graceMs })));
  return reports.flatMap(({ survivors }) => survivors);
}

async function connect(entry: ProcessEntry, context: BackendContext, child: HostProcess | null): Promise<Launched> {
  const data = BookData.parse(entry.data);
  const { url, password } = data;
  const { id, marker, record } = entry;
  const users = new Set(data.sessions);
  const note = (): void => context.book.put({ ...entry, data: { ...data, sessions: [...users] } });
  if (url === null || record === null) throw new AppError('backend_failed', `server ${id} was never ready`);
  const http = connectHttp(url, password);
  const version = await versionOf(http, HEALTH_LIMIT_MS);
  return {
    id,
    version,
    http,
    dialect: dialectFor(version, http),
    marker,
    sessions: sessionsOf(data.own),
    record,
    exited: child?.exited ?? null,
    isAlive: () => context.host.isAlive(record),
    trimLog: () => trim(logOf(data.own)),
    addUser: (gantrySession) => {
      users.add(gantrySession);
      note();
    },
    removeUser: (gantrySession) => {
      if (users.delete(gantrySession)) note();
    },
    stop: (graceMs) => end(entry, context, child, graceMs),
  };
}

async function end(
  entry: ProcessEntry,
  context: BackendContext,
  child: HostProcess | null,
  graceMs: number,
): Promise<{ readonly exit: Exit; readonly survivors: readonly number[] }> {
  const { host, book } = context;
  const report = child
    ? await child.stop({ graceMs })
    : entry.record
      ? await host.stop(entry.record, { graceMs })
      : { code: null, signal: null, survivors: [] };
  // What sessions have started has a marker of its own, that begins with the server's.
  const survivors = [...report.survivors, ...(await endMarked(entry.marker, context, graceMs))];
  const data = BookData.safeParse(entry.data).data;
  if (data) await removeOwn(data.own);
  if (survivors.length === 0) book.remove(entry.id);
  return { exit: { code: report.code, signal: report.signal }, survivors };
}

/** Waits for the address in the output, then for health. */
async function ready(
  child: HostProcess,
  log: string,
  password: string,
  limitMs: number,
  signal: AbortSignal,
): Promise<string> {
  const over = new AbortController();
  const stop = AbortSignal.any([over.signal, signal]);
  const died = child.exited.then(async ({ code, signal: by }) => {
    const words = (await child.lastOutput()).trim();
    const how = code === null ? `signal ${by}` : `exit code ${code}`;
    throw new AppError('backend_failed', `opencode ended before it was ready, with ${how}: ${words || 'no words'}`);
  });
  const answered = addressIn(log, stop).then(async (told) => {
    const url = new URL(told);
    url.port = String(await child.reach(Number(url.port)));
    return await healthy(url.origin, password, stop);
  });
  try {
    return await within(Promise.race([answered, died]), limitMs, () => {
      return new AppError('timeout', `opencode was not ready after ${limitMs} ms`);
    });
  } finally {
    over.abort();
    died.catch(() => undefined);
    answered.catch(() => undefined);
  }
}

async function addressIn(log: string, signal: AbortSignal): Promise<string> {
  const watcher: FSWatcher = watch(dirname(log));
  try {
    for (;;) {
      const changed = once(watcher, 'change', { signal });
      changed.catch(() => undefined);
      const [, url] = URL_LINE.exec(await readFile(log, 'utf8')) ?? [];
      if (url !== undefined) return url;
      await changed;
    }
  } catch (error) {
    if (signal.aborted) throw new AppError('cancelled', 'the start was cancelled');
    throw error;
  } finally {
    watcher.close();
  }
}

async function healthy(url: string, password: string, signal: AbortSignal): Promise<string> {
  const http = connectHttp(url, password);
  for (;;) {
    try {
      await versionOf(http, HEALTH_LIMIT_MS);
      return url;
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error;
    }
    if ((await pause(HEALTH_PAUSE_MS, signal)) === 'aborted')
      throw new AppError('cancelled', 'the start was cancelled');
  }
}

/** The server appends, so that it goes on at the new end. */
async function trim(log: string): Promise<void> {
  if ((await stat(log)).size > MAX_LOG_BYTES) await truncate(log);
}

const logOf = (own: string): string => join(own, 'server.log');

function toOpenError(error: unknown, program: string): AppError {
  const known = toAppError(error);
  if (known.code === 'spawn_failed') {
    const isMissing = known.details?.cause === 'ENOENT' || known.details?.cause === 'EACCES';
    const remedy = `${known.message}; install OpenCode (npm install -g opencode-ai) or name it in backends.opencode.command`;
    return new AppError(isMissing ? 'backend_missing' : 'backend_failed', remedy, { cause: error });
  }
  if (known.code !== 'internal') return known;
  return new AppError('backend_failed', `${program} could not be started: ${known.message}`, { cause: error });
}
