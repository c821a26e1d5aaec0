import { isAlive } from '../process/identity.ts';
import { runCommand } from '../process/run.ts';
import { startProcess } from '../process/spawn.ts';
import { stopStranger } from '../process/stop.ts';
import { findByMarker } from '../process/sweep.ts';
import { usageOf } from '../process/usage.ts';
import type { Host } from './host.ts';

const hostId = 'local';

/** Programs on this machine, as this user. */
export const localHost: Host = {
  id: hostId,
  start: async (spec) => {
    const { identity, ...rest } = await startProcess(spec);
    return { ...rest, record: { hostId, ...identity, marker: spec.marker }, reach: async (port) => port };
  },
  run: runCommand,
  stop: ({ pid, startTime, marker }, options) => stopStranger({ pid, startTime }, marker, options),
  isAlive: async (record) => isAlive(record),
  find: async (markerPrefix) => {
    const found = await findByMarker(markerPrefix);
    return found.map(({ identity, marker }) => ({ hostId, ...identity, marker }));
  },
  usage: usageOf,
};
