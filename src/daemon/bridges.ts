import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Bridges, notFound } from '../bridges/bridges.ts';
import { letta } from '../bridges/letta/letta.ts';
import { matrix } from '../bridges/matrix/matrix.ts';
import type { Projection } from '../bridges/projection.ts';
import { traces } from '../bridges/traces/traces.ts';
import { webhook } from '../bridges/webhook/webhook.ts';
import type { OutputOf } from '../contract/api.ts';
import { requestOf } from '../contract/delegation.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import type { RequestId } from '../contract/ids.ts';
import { type LettaSettings, lettaBlockKey } from '../contract/letta.ts';
import type { MatrixSettings } from '../contract/matrix.ts';
import type { DoctorCheck } from '../contract/shapes.ts';
import { closeAlert, openAlert } from '../engine/alerts.ts';
import { readPlaces } from '../engine/delegation/projections.ts';
import type { Engine } from '../engine/engine.ts';
import type { Store } from '../store/store.ts';
import { notice, ok } from './doctor-checks.ts';
import { type Environment, variable } from './environment.ts';
import { matrixToken, matrixWorld } from './matrix.ts';
import type { DaemonSettings } from './settings.ts';
import { traceSettings } from './trace-settings.ts';
import { VERSION } from './version.ts';

type BridgeParts = {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly environment: Environment;
  readonly engine: Engine;
  /** Resolves when commands can be carried out. */
  readonly ready: Promise<void>;
  /** As it is configured now. */
  readonly settings: () => Pick<DaemonSettings, 'webhooks' | 'tracesEndpoint' | 'letta' | 'matrix'>;
  readonly url: () => string;
};

const TEST_LIMIT_MS = 15_000;
const PROBE_LIMIT_MS = 5_000;
/** Key in `meta`. */
const HOME_ID = 'bridge.home';

/** The projections of this daemon and what the API does with them. */
export type DaemonBridges = {
  readonly list: () => OutputOf<'projections.list'>;
  readonly rebuild: (name: string, since: number) => OutputOf<'projections.rebuild'>;
  readonly test: (name: string) => Promise<OutputOf<'projections.test'>>;
  /** What the doctor sees of those that can be looked at without an effect. */
  readonly check: () => Promise<DoctorCheck[]>;
  readonly close: () => Promise<void>;
};

/** Starts what is configured. */
export function startBridges(parts: BridgeParts): DaemonBridges {
  const { store, clock, log } = parts;
  const configured = configuredProjections(parts);
  const bridges = new Bridges({
    store,
    clock,
    log,
    random: Math.random,
    configured,
    onCommit: (listener) => store.onCommit(() => listener()),
    alert: (name, text) => {
      const key = `projection:${name}`;
      store.commit((tx) => {
        if (text === null) closeAlert(tx, key, `${name} works again`, {});
        else openAlert(tx, key, text, {});
      });
    },
  });
  return {
    list: () => ({ items: bridges.list() }),
    rebuild: (name, since) => bridges.rebuild(name, since),
    test: async (name) => {
      const all = configured();
      const found = all.find((one) => one.name === name);
      if (found === undefined)
        throw notFound(
          name,
          all.map((one) => one.name),
        );
      if (found.test === undefined)
        throw new AppError('unsupported', `${name} cannot be told that something is a test`);
      return { name, ...(await tried(found, found.test)) };
    },
    check: async () => (await Promise.all(configured().map(probed))).flat(),
    close: () => bridges.close(),
  };
}

async function probed({ name, problem, probe }: Projection): Promise<DoctorCheck[]> {
  if (problem !== null) return [notice(name, problem, null)];
  if (probe === undefined) return [];
  try {
    return [ok(name, await probe(AbortSignal.timeout(PROBE_LIMIT_MS)))];
  } catch (error) {
    const repair = 'tasks go on without it; what is to be told waits in the outbox for a day';
    return [notice(name, toAppError(error).message, repair)];
  }
}

async function tried(
  { problem }: Projection,
  test: NonNullable<Projection['test']>,
): Promise<{ readonly isDelivered: boolean; readonly error: string | null }> {
  if (problem !== null) return { isDelivered: false, error: problem };
  try {
    const delivery = await test(AbortSignal.timeout(TEST_LIMIT_MS));
    return { isDelivered: delivery.type === 'done', error: delivery.type === 'done' ? null : delivery.error };
  } catch (error) {
    return { isDelivered: false, error: toAppError(error).message };
  }
}

/** Answers with the same list and the same projections as long as their settings are the same. */
function configuredProjections(parts: BridgeParts): () => readonly Projection[] {
  const make = makers(parts);
  let known = new Map<string, Projection>();
  let list: readonly Projection[] = [];
  return () => {
    const { webhooks, tracesEndpoint, letta: lettaSettings, matrix: matrixSettings } = parts.settings();
    const wanted: [key: string, make: () => Projection][] = Object.entries(webhooks).map(([name, settings]) => [
      JSON.stringify([name, settings]),
      () => make.webhook(name, settings),
    ]);
    if (tracesEndpoint !== null) wanted.push([tracesEndpoint, () => make.traces(tracesEndpoint)]);
    if (lettaSettings !== null) wanted.push([JSON.stringify(lettaSettings), () => make.letta(lettaSettings)]);
    if (matrixSettings !== null) wanted.push([JSON.stringify(matrixSettings), () => make.matrix(matrixSettings)]);
    const isSame = wanted.length === known.size && wanted.every(([key]) => known.has(key));
    if (!isSame) {
      known = new Map(wanted.map(([key, made]) => [key, known.get(key) ?? made()]));
      list = [...known.values()];
    }
    return list;
  };
}

/** How each kind of projection is made from its settings. */
function makers({ store, clock, log, environment, engine, ready, url }: BridgeParts) {
  const world = {
    names: { project: (id: string | null) => (id === null ? null : (store.read.projects.get(id)?.name ?? null)) },
    url,
    now: clock.now,
    version: VERSION,
    homeId: homeId(store),
  };
  return {
    webhook: (name: string, settings: DaemonSettings['webhooks'][string]): Projection =>
      webhook(name, settings, variable(environment, settings.secret) ?? null, world),
    letta: (settings: LettaSettings): Projection => {
      const key = settings.key === undefined ? null : (variable(environment, settings.key) ?? null);
      return letta(settings, key, {
        journal: store.journal,
        task: (id) => store.read.tasks.get(id),
        shown: (name) => {
          const [delegated] = store.read.tasks.list({ requestId: requestOf(name) as RequestId });
          return delegated ?? store.read.tasks.get(name);
        },
        request: (id) => store.read.requests.get(id),
        tasksOf: (id) => store.read.tasks.list({ requestId: id }),
        room: (id) => readPlaces(store.read).get(id)?.room ?? null,
        remember: (task, block) => {
          const name = lettaBlockKey(task);
          if (store.read.meta.get(name) === block) return;
          store.commit((tx) => (block === null ? tx.meta.remove(name) : tx.meta.set(name, block)));
        },
        now: clock.now,
      });
    },
    matrix: (settings: MatrixSettings): Projection =>
      matrix(settings, matrixToken(settings, environment), {
        ...matrixWorld(store, engine),
        ...{ now: clock.now, log, ready, homeId: world.homeId },
      }),
    traces: (endpoint: string): Projection =>
      traces(traceSettings(endpoint, environment), {
        journal: store.journal,
        session: (id) => store.read.sessions.get(id),
        now: clock.now,
        version: VERSION,
      }),
  };
}

/** Tells the deliveries of this home from those of another. */
function homeId(store: Store): string {
  const known = store.read.meta.get(HOME_ID);
  if (known !== null) return known;
  const made = `gty${randomBytes(6).toString('hex')}`;
  store.commit((tx) => tx.meta.set(HOME_ID, made));
  return made;
}
