import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Bridges, notFound } from '../bridges/bridges.ts';
import { type Webhook, webhook } from '../bridges/webhook/webhook.ts';
import type { OutputOf } from '../contract/api.ts';
import { toAppError } from '../contract/errors.ts';
import type { WebhookSettings } from '../contract/webhook.ts';
import { closeAlert, openAlert } from '../engine/alerts.ts';
import type { Store } from '../store/store.ts';
import { type Environment, variable } from './environment.ts';
import { VERSION } from './version.ts';

type BridgeParts = {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly environment: Environment;
  /** As they are configured now. */
  readonly webhooks: () => Readonly<Record<string, WebhookSettings>>;
  readonly url: () => string;
};

const TEST_LIMIT_MS = 15_000;
/** Key in `meta`. */
const HOME_ID = 'bridge.home';

/** The projections of this daemon and what the API does with them. */
export type DaemonBridges = {
  readonly list: () => OutputOf<'projections.list'>;
  readonly rebuild: (name: string, since: number) => OutputOf<'projections.rebuild'>;
  readonly test: (name: string) => Promise<OutputOf<'projections.test'>>;
  readonly close: () => Promise<void>;
};

/** Starts what is configured. */
export function startBridges(parts: BridgeParts): DaemonBridges {
  const { store, clock, log } = parts;
  const configured = configuredWebhooks(parts);
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
      const webhooks = configured();
      const found = webhooks.find((one) => one.name === name);
      if (found === undefined)
        throw notFound(
          name,
          webhooks.map((one) => one.name),
        );
      return { name, ...(await tried(found)) };
    },
    close: () => bridges.close(),
  };
}

async function tried(projection: Webhook): Promise<{ readonly isDelivered: boolean; readonly error: string | null }> {
  if (projection.problem !== null) return { isDelivered: false, error: projection.problem };
  try {
    const delivery = await projection.test(AbortSignal.timeout(TEST_LIMIT_MS));
    return { isDelivered: delivery.type === 'done', error: delivery.type === 'done' ? null : delivery.error };
  } catch (error) {
    return { isDelivered: false, error: toAppError(error).message };
  }
}

/** Answers with the same list and the same projections as long as their settings are the same. */
function configuredWebhooks({ store, clock, environment, webhooks, url }: BridgeParts): () => readonly Webhook[] {
  const world = {
    names: { project: (id: string | null) => (id === null ? null : (store.read.projects.get(id)?.name ?? null)) },
    url,
    now: clock.now,
    version: VERSION,
    homeId: homeId(store),
  };
  let known = new Map<string, Webhook>();
  let list: readonly Webhook[] = [];
  return () => {
    const entries = Object.entries(webhooks()).map(([name, settings]) => {
      const key = JSON.stringify([name, settings]);
      const secret = variable(environment, settings.secret) ?? null;
      return [key, known.get(key) ?? webhook(name, settings, secret, world)] as const;
    });
    const isSame = entries.length === known.size && entries.every(([key]) => known.has(key));
    if (!isSame) {
      known = new Map(entries);
      list = [...known.values()];
    }
    return list;
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
