import { join } from 'node:path';
import { createHandlers, type DaemonControl } from '../api/create-handlers.ts';
import { type Api, startApi } from '../api/server.ts';
import { systemClock } from '../base/clock.ts';
import { type Log, openLog } from '../base/log.ts';
import { Scope } from '../base/scope.ts';
import { deferred } from '../base/wait.ts';
import { AppError, ERRORS, toAppError } from '../contract/errors.ts';
import { History } from '../history/history.ts';
import { localHost } from '../hosts/local.ts';
import { identityOf } from '../process/identity.ts';
import { Store } from '../store/store.ts';
import { Tokens } from './access.ts';
import { openBackends } from './backends.ts';
import { startBridges } from './bridges.ts';
import { keepClaudeUsage } from './claude-usage.ts';
import { Configuration } from './config.ts';
import { leavesOf } from './config-layers.ts';
import { removeDaemonFile, writeDaemonFile } from './daemon-file.ts';
import { type Environment, homeFrom, processEnvironment } from './environment.ts';
import { giveBackMemory } from './give-back.ts';
import { daemonHealth } from './health.ts';
import { idempotencyKeys } from './idempotency-keys.ts';
import { inspections } from './inspections.ts';
import { type Isolations, openIsolations } from './isolation.ts';
import { lockHome } from './lock.ts';
import { makeEngine } from './make-engine.ts';
import { mcpHttp } from './mcp.ts';
import { daemonMetrics } from './metrics.ts';
import { observing } from './observe.ts';
import { portInUse } from './port-holder.ts';
import { makePrivateDirectory } from './private-file.ts';
import { keepTidy } from './retention.ts';
import { searchOf } from './search.ts';
import type { DaemonSettings } from './settings.ts';
import { readSpool } from './spooled-events.ts';
import { statusOf } from './status.ts';
import { readAdminToken, writeAdminToken } from './tokens-file.ts';
import { VERSION } from './version.ts';
import { whileReady } from './while-ready.ts';

const CLOSE_GRACE_MS = 5_000;
/** After the start: what was waiting for the daemon has been served. */
const SETTLED_MS = 1_000;

export type DaemonOptions = { readonly home?: string; readonly port?: number };

/** A running daemon; whoever starts it owns its end. */
export type Daemon = {
  readonly url: string;
  /** Resolves with the cause when somebody asks it to stop (by the API). */
  readonly stopAsked: Promise<string>;
  /** Lets go of everything; running work is kept for the next start. Concurrent callers share one close. */
  readonly close: (cause: string) => Promise<void>;
};

/**
 * Runs the daemon until it is asked to stop, by the API or by SIGTERM or SIGINT; a second signal ends it at once, and the
 * store loses nothing by it.
 * @returns the exit code. A failed start is told as the last line of stderr, for whoever started it.
 */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  const log = openLog(null);
  guardProcess(log);
  const stop = deferred<string>();
  const signals = ['SIGTERM', 'SIGINT'] as const;
  for (const signal of signals) process.once(signal, () => stop.resolve(signal));
  let daemon: Daemon;
  try {
    daemon = await startDaemon(options, processEnvironment(), log);
  } catch (error) {
    const { code, message, details } = toAppError(error);
    process.stderr.write(`${JSON.stringify({ startFailed: { code, message, ...(details && { details }) } })}\n`);
    return ERRORS[code].exit;
  }
  systemClock.after(SETTLED_MS, giveBackMemory);
  const cause = await Promise.race([stop.promise, daemon.stopAsked]);
  for (const signal of signals) process.removeAllListeners(signal);
  await daemon.close(cause);
  return 0;
}

/** @throws AppError `daemon_running`, `port_in_use`, `bad_config`, and what the store throws; then nothing is left */
export async function startDaemon(
  options: DaemonOptions,
  environment: Environment,
  log: Log = openLog(null),
): Promise<Daemon> {
  const home = options.home ?? homeFrom(environment);
  const scope = new Scope();
  try {
    return await compose({ home, port: options.port, environment, log, scope });
  } catch (error) {
    await scope.close();
    throw error;
  }
}

type Start = {
  readonly home: string;
  readonly port: number | undefined;
  readonly environment: Environment;
  readonly log: Log;
  readonly scope: Scope;
};

async function compose({ home, port, environment, log, scope }: Start): Promise<Daemon> {
  const clock = systemClock;
  scope.defer(lockHome(home).release);
  makePrivateDirectory(join(home, 'workspaces'));
  const store = Store.open({ dir: home, clock, log });
  scope.defer(() => store.close());
  const tokens = openTokens(home, store);
  const configuration = configurationOf({ home, port, environment, log }, store);
  const settingsNow = (): DaemonSettings => configuration.settingsFor(null);
  const settings = settingsNow();
  store.setDurability(settings.observe.durability);
  // The address is known only when the port is open; agents start after that.
  let api: Api | null = null;
  const urlNow = (): string => api?.url ?? '';
  const base = { home, environment, store, clock, log };
  const { fleet, backends } = openBackends({ ...base, settings: settingsNow, urlNow, tokens });
  const isolations = openIsolations({ home, environment, settings: settingsNow, urlNow });
  const engine = makeEngine({ ...base, configuration, backends, fleet, isolations, tokens, urlNow });
  const ready = deferred<void>();
  const bridges = startBridges({ ...base, engine, ready: ready.promise, url: urlNow, settings: settingsNow });
  scope.defer(() => bridges.close());
  const stopAsked = deferred<string>();
  const startedAt = clock.now();
  let notReady: string | null = 'the daemon is still bringing back what was under way';
  const projections = () => bridges.list().items;
  const control: DaemonControl = {
    url: urlNow,
    health: daemonHealth({ store, engine, log, isolations, projections, settings: settingsNow }),
    status: () => statusOf({ home, url: urlNow(), startedAt, store, engine }),
    shutdown: (cause) => setImmediate(() => stopAsked.resolve(cause)),
    ...inspections({
      ...{ home, environment, store, engine, configuration, backends, isolations, access: tokens, urlNow, bridges },
      settingsAtStart: settings,
    }),
    projections: bridges,
    nodes: () => fleet.list(),
  };
  const history = historyOf(home, environment, store);
  const search = searchOf(home, { store, clock, log, scope });
  const observed = () => settingsNow().observe;
  const events = observing({ store, engine, search, settings: observed, ownPort: () => api?.port ?? settings.port });
  const parts = { engine, access: tokens, daemon: control, journal: store.journal, history, search, events, clock };
  const mcp = mcpHttp({ log, urlNow, startedAt, health: control.health });
  api = await portInUse(
    startApi({
      handlers: whileReady(createHandlers(parts), () => notReady),
      access: tokens,
      idempotency: idempotencyKeys(store),
      journal: store.journal,
      events,
      onCommit: (listener) => store.onCommit(listener),
      clock,
      log,
      host: '127.0.0.1',
      port: settings.port,
      version: VERSION,
      mcp,
      nodes: fleet,
      notReady: () => notReady,
      metrics: daemonMetrics({ store, engine, clock, startedAt, host: localHost, projections }),
    }),
    settings.port,
  );
  scope.defer(() => api?.close(CLOSE_GRACE_MS));
  scope.defer(() => mcp.close());
  announce(home, api.url, scope);
  scope.defer(() => engine.close());
  await sweepContainers(isolations, store);
  const { lines } = await engine.start();
  keepClaudeUsage({ store, history, events: engine.events, clock, log, scope });
  scope.use(readSpool(home, events, clock, log));
  scope.defer(keepTidy(store, () => settingsNow().retention, clock, log));
  tellStart({ store, log }, api.url, lines);
  notReady = null;
  ready.resolve();
  return {
    url: api.url,
    stopAsked: stopAsked.promise,
    close: (cause) => {
      if (!scope.isClosed) {
        notReady = 'the daemon is stopping';
        log.info({ cause }, 'stops');
        // Before the rest is let go: a disk that is full must not keep anything open.
        scope.defer(() => store.commit((tx) => tx.record('daemon.stopped', { cause }, {}, 'gantry')));
      }
      return scope.close();
    },
  };
}

function tellStart(
  { store, log }: { readonly store: Store; readonly log: Log },
  url: string,
  recovered: readonly string[],
): void {
  const { pid } = process;
  store.commit((tx) => tx.record('daemon.started', { version: VERSION, pid, recovered: [...recovered] }, {}, 'gantry'));
  log.info({ url, pid, recovered }, 'started');
}

/** What an earlier daemon has left is gone before anything new is started. */
async function sweepContainers(isolations: Isolations, store: Store): Promise<void> {
  for (const id of await isolations.sweep())
    store.commit((tx) => tx.record('swept', { what: `container ${id.slice(0, 12)}`, pids: [] }, {}, 'gantry'));
}

/** Tells the programs of this home where the daemon is. */
function announce(home: string, url: string, scope: Scope): void {
  const self = identityOf(process.pid);
  if (self === null) throw new AppError('internal', 'the system does not tell the start time of this process');
  writeDaemonFile(home, { ...self, url, version: VERSION });
  scope.defer(() => removeDaemonFile(home));
}

function configurationOf({ port, ...options }: Omit<Start, 'scope'>, store: Store): Configuration {
  const flags = port === undefined ? [] : leavesOf({ server: { port } }, 'flag', '--port');
  const isTrusted = (path: string): boolean =>
    store.read.projects.list({ state: 'active' }).some((project) => project.path === path && project.isTrusted);
  return new Configuration({ ...options, flags, isTrusted });
}

/** The CLI of this home has a token that is good. */
function openTokens(home: string, store: Store): Tokens {
  const tokens = new Tokens(store, systemClock);
  const known = readAdminToken(home);
  if (known === null || !tokens.verify(known)) writeAdminToken(home, tokens.replacePersonToken('cli'));
  return tokens;
}

const historyOf = (home: string, environment: Environment, store: Store): History =>
  new History({
    environment,
    home,
    projects: () => store.read.projects.list({ state: 'active' }).map(({ path }) => path),
  });

/** A mistake in Gantry ends the process, said in the log; the next start goes on from the store. */
function guardProcess(log: Log): void {
  const end = (what: string) => (error: unknown) => {
    log.error({ err: error }, what);
    process.exit(1);
  };
  process.once('uncaughtException', end('an error was not caught'));
  process.once('unhandledRejection', end('a promise was rejected and nobody looked'));
}
