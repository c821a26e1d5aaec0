import type { Clock } from '../base/clock.ts';
import { type Family, gauge, Histogram, type Labels } from '../base/exposition.ts';
import type { Host } from '../hosts/host.ts';
import type { Store } from '../store/store.ts';

type TreeParts = { readonly store: Store; readonly host: Host; readonly clock: Clock };
type Sum = { processes: number; rssBytes: number; cpuMs: number };

const MEMORY_BYTES = [16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192].map((mib) => mib * 2 ** 20);
const PROCESSORS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8];

/**
 * Process trees of agent programs by kind, at each time of asking: their sums, and how they are distributed. A server that
 * sessions share is one tree, and is not divided among them.
 */
export function treeMetrics({ store, host, clock }: TreeParts): () => Promise<readonly Family[]> {
  const memory = new Histogram(
    'gantry_agent_tree_memory_bytes',
    'Resident memory of one process tree of an agent program, one value a tree at each time of asking.',
    MEMORY_BYTES,
  );
  const processors = new Histogram(
    'gantry_agent_tree_cpus',
    'How many processors one tree kept busy since the last time of asking.',
    PROCESSORS,
  );
  let before = new Map<string, { readonly cpuMs: number; readonly at: number }>();
  return async () => {
    const seen: typeof before = new Map();
    const sums = new Map<string, Sum>();
    for (const { kind, marker, identity } of store.read.processes.list()) {
      const usage = identity === null ? null : await host.usage(marker);
      if (usage === null) continue;
      const labels = { kind, host: host.id };
      const at = clock.now();
      memory.observe(labels, usage.rssBytes);
      const last = before.get(marker);
      // The time of a process that has ended is no longer in the tree's.
      if (last && at > last.at) processors.observe(labels, Math.max(0, usage.cpuMs - last.cpuMs) / (at - last.at));
      seen.set(marker, { cpuMs: usage.cpuMs, at });
      const sum = sums.get(kind) ?? { processes: 0, rssBytes: 0, cpuMs: 0 };
      sum.processes += usage.processes;
      sum.rssBytes += usage.rssBytes;
      sum.cpuMs += usage.cpuMs;
      sums.set(kind, sum);
    }
    before = seen;
    const values = (value: (sum: Sum) => number): [Labels, number][] =>
      [...sums].map(([kind, sum]) => [{ kind, host: host.id }, value(sum)]);
    return [
      gauge(
        'gantry_agent_processes',
        'Processes of agent programs, by kind and host.',
        values((sum) => sum.processes),
      ),
      gauge(
        'gantry_agent_memory_bytes',
        'Resident memory of their process trees; pages that several share are counted for each.',
        values((sum) => sum.rssBytes),
      ),
      gauge(
        'gantry_agent_cpu_seconds',
        'CPU time of the living process trees.',
        values((sum) => sum.cpuMs / 1_000),
      ),
      memory.family(),
      processors.family(),
    ];
  };
}
