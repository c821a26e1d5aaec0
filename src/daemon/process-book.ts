import { z } from 'zod';
import type { ProcessBook, ProcessEntry } from '../backends/backend.ts';
import type { Clock } from '../base/clock.ts';
import type { Store } from '../store/store.ts';

const Data = z.record(z.string(), z.unknown());

/** The drivers' notes on what they started, in the store: durable when a call returns. */
export function processBook(store: Store, clock: Clock, hostId: string): ProcessBook {
  const entryOf = (row: ReturnType<Store['read']['processes']['list']>[number]): ProcessEntry => ({
    id: row.id,
    kind: row.kind,
    marker: row.marker,
    record: row.identity ? { hostId, marker: row.marker, ...row.identity } : null,
    data: Data.parse(row.data),
  });
  return {
    put: ({ id, kind, marker, record, data }) => {
      const identity = record ? { pid: record.pid, startTime: record.startTime } : null;
      store.commit((tx) => {
        if (tx.processes.get(id)) tx.processes.patch(id, { identity, data });
        else tx.processes.put({ id, kind, marker, identity, data, createdAt: clock.now() });
      });
    },
    remove: (id) => store.commit((tx) => tx.processes.remove(id)),
    list: (kind) =>
      store.read.processes
        .list()
        .filter((row) => row.kind === kind)
        .map(entryOf),
  };
}
