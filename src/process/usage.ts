import { readIfAny, readTable } from './table.ts';
import { addDescendants } from './tree.ts';

/** Of a whole process tree, at one moment. */
export type TreeUsage = {
  readonly processes: number;
  /** Pages that several of them share are counted for each. */
  readonly rssBytes: number;
  /** User and system time of the living, and of children they have waited for. */
  readonly cpuMs: number;
};

/** All processes with this marker and their descendants. Null if there are none, or where it cannot be known (not Linux). */
export async function usageOf(marker: string): Promise<TreeUsage | null> {
  const table = (await readTable()).filter((row) => !row.isZombie);
  const members = new Set(table.filter((row) => row.marker === marker));
  addDescendants(members, table);
  if (members.size === 0) return null;
  const rows = [...members];
  const statuses = rows.map(({ pid }) => readIfAny(`/proc/${pid}/status`));
  return {
    processes: rows.length,
    rssBytes: statuses.reduce((sum, status) => sum + rssBytesIn(status ?? ''), 0),
    cpuMs: rows.reduce((sum, row) => sum + (row.cpuMs ?? 0), 0),
  };
}

function rssBytesIn(status: string): number {
  const [, kibibytes = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
  return Number(kibibytes) * 1024;
}
