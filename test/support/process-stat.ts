import { readFileSync } from 'node:fs';

const MS_PER_TICK = 10;

/** Memory and work of one process, from /proc. */
export type ProcessStat = {
  readonly rssMb: number;
  /** Of it, what is mapped from files: the program itself, shared with every other Node. */
  readonly fileMb: number;
  readonly cpuMs: number;
  /** How often its main thread, the event loop, has waited and was woken. */
  readonly wakeUps: number;
};

export function processStat(pid: number): ProcessStat {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [utime = 0, stime = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return {
    rssMb: field('VmRSS') / 1024,
    fileMb: field('RssFile') / 1024,
    cpuMs: (utime + stime) * MS_PER_TICK,
    wakeUps: field('voluntary_ctxt_switches'),
  };
}
