import { randomBytes } from 'node:crypto';
import type { EventParts } from '../api/events/door.ts';
import type { Engine } from '../engine/engine.ts';
import { checkAnswerAddress } from '../ingest/address.ts';
import { createMask } from '../ingest/mask.ts';
import type { Store } from '../store/store.ts';
import type { DaemonSettings } from './settings.ts';

/** Key in `meta` of the secret that the masks of a home are made with. */
const MASK_KEY = 'maskKey';

/** The events API as this home is configured. */
export function observing({
  store,
  engine,
  search,
  settings,
  ownPort,
}: {
  readonly store: Store;
  readonly engine: Engine;
  readonly search: EventParts['search'];
  readonly settings: () => DaemonSettings['observe'];
  readonly ownPort: () => number;
}): EventParts {
  const patterns = settings().secretPatterns.map((pattern) => new RegExp(pattern, 'g'));
  const { maxEventBytes, maxBatch } = settings();
  return {
    events: engine.events,
    search,
    themes: engine.themes,
    rules: {
      mask: createMask(maskKey(store), patterns),
      checkAddress: (address) => checkAnswerAddress(address, { ownPort: ownPort(), hosts: settings().answerHosts }),
    },
    settings,
    limits: { maxBodyBytes: maxEventBytes, maxBatch },
  };
}

function maskKey(store: Store): Uint8Array {
  const known = store.read.meta.get(MASK_KEY);
  if (known !== null) return Buffer.from(known, 'base64url');
  const key = randomBytes(32);
  store.commit((tx) => tx.meta.set(MASK_KEY, key.toString('base64url')));
  return key;
}
