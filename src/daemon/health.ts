import type { Health } from '../api/delegation-handlers.ts';
import { systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { ProjectionStatus } from '../contract/webhook.ts';
import type { Engine } from '../engine/engine.ts';
import type { Store } from '../store/store.ts';
import type { Isolations } from './isolation.ts';
import type { DaemonSettings } from './settings.ts';

/** Anybody may ask for the health, without a token: the store is tried at most so often. */
const TRY_EVERY_MS = 5_000;
const HEALTH_KEY = 'health.tried';

type HealthParts = {
  readonly store: Store;
  readonly engine: Engine;
  readonly log: Log;
  readonly projections: () => readonly ProjectionStatus[];
  readonly isolations: Isolations;
  readonly settings: () => DaemonSettings;
};

export function daemonHealth({ store, engine, log, projections, isolations, settings }: HealthParts): () => Health {
  const canWrite = writeProbe(store, log);
  return () => {
    const { defaultBackend, isolation, letta, container } = settings();
    const backends = engine.delegations.load().dependencies;
    const seenContainer = isolations.containerSeen();
    const bridges = projections();
    const configured: Health['dependencies'] = {
      letta: seen(bridges.find(({ name }) => name === 'letta')),
      matrix: seen(bridges.find(({ name }) => name === 'matrix')),
      container: seenContainer ?? { status: isolation === 'container' ? 'unknown' : 'off', checked_at: null },
    };
    // A program that is not installed and that nobody has chosen is no fault.
    const needed = [...Object.values(configured), backends[defaultBackend]];
    const isDown = needed.some((one) => one?.status === 'down');
    return {
      status: canWrite() ? (isDown ? 'degraded' : 'healthy') : 'unhealthy',
      dependencies: { ...configured, ...backends },
      lettaUrl: letta === null ? null : withoutCredentials(letta.url),
      image: configured.container?.status === 'off' ? null : container.image,
    };
  };
}

function writeProbe(store: Store, log: Log): () => boolean {
  let last = { at: Number.NEGATIVE_INFINITY, canWrite: true };
  return () => {
    const at = systemClock.now();
    if (at - last.at < TRY_EVERY_MS) return last.canWrite;
    try {
      store.commit((tx) => tx.meta.set(HEALTH_KEY, String(at)));
      last = { at, canWrite: true };
    } catch (error) {
      log.warn({ err: error }, 'the store cannot be written to');
      last = { at, canWrite: false };
    }
    return last.canWrite;
  };
}

/** What the last delivery has shown. */
function seen(bridge: ProjectionStatus | undefined): Health['dependencies'][string] {
  if (bridge === undefined) return { status: 'off', checked_at: null };
  const { state, lastDeliveredAt, lastError } = bridge;
  if (state !== 'ok') return { status: 'down', checked_at: lastError?.at ?? null };
  return { status: lastDeliveredAt === null ? 'unknown' : 'ok', checked_at: lastDeliveredAt };
}

function withoutCredentials(text: string): string {
  const url = new URL(text);
  url.username = '';
  url.password = '';
  url.search = '';
  return url.href;
}
