import type { DaemonStatus } from '../contract/shapes.ts';
import type { Engine } from '../engine/engine.ts';
import type { Store } from '../store/store.ts';
import { VERSION } from './version.ts';

/** What `gantry status` shows. */
export function statusOf(parts: {
  readonly home: string;
  readonly url: string;
  readonly startedAt: number;
  readonly store: Store;
  readonly engine: Engine;
}): DaemonStatus {
  const { home, url, startedAt, store, engine } = parts;
  return {
    version: VERSION,
    pid: process.pid,
    startedAt,
    url,
    home,
    node: process.version,
    seq: store.journal.head(),
    storeBytes: store.size().fileBytes,
    rssBytes: process.memoryUsage.rss(),
    ...engine.queries.counts(),
    alerts: engine.queries.alerts(),
  };
}
