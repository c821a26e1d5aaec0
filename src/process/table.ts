import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { pause } from '../base/wait.ts';

/** The name of the environment variable that marks a program and everything that it starts. */
export const MARKER_VARIABLE = 'GANTRY_SPAWN';

export type ProcessRow = {
  readonly pid: number;
  readonly startTime: string;
  readonly parent: number;
  readonly group: number;
  /** Null where `ps` does not tell it. */
  readonly session: number | null;
  readonly isZombie: boolean;
  /** Null if there is none or if it may not be read. */
  readonly marker: string | null;
  /** User and system time, that of awaited children included; null without /proc. */
  readonly cpuMs: number | null;
};

/** USER_HZ is 100 on every Linux that Node runs on (proc_pid_stat(5) counts in it). */
const MS_PER_TICK = 10;
export const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';

const MAX_ROUNDS = 5;
const MAX_EXEC_LOOKS = 20;

export const PS = {
  command: 'ps',
  columns: 'pid=,ppid=,pgid=,stat=,lstart=',
  // The start date must read the same in every process that asks.
  env: { PATH: '/bin:/usr/bin', LC_ALL: 'C', TZ: 'UTC' },
} as const;

/** All processes of this machine. Those that end meanwhile are left out. */
export function readTable(): Promise<readonly ProcessRow[]> {
  return process.platform === 'linux' ? readProcTable() : readPsTable();
}

/**
 * Reads on while new processes appear, so that one that forks and ends during the reading does not hide its child.
 * After the bound the table is as complete as a machine that busy allows.
 */
export async function readProcTable(): Promise<readonly ProcessRow[]> {
  const bootId = readFileSync(BOOT_ID_FILE, 'utf8');
  const rows = new Map<string, ProcessRow | null>();
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const fresh = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && !rows.has(name));
    if (fresh.length === 0) break;
    await Promise.all(fresh.map(async (pid) => rows.set(pid, await readRow(pid, bootId))));
  }
  return [...rows.values()].filter((row) => row !== null);
}

async function readRow(pid: string, bootId: string): Promise<ProcessRow | null> {
  const stat = readIfAny(`/proc/${pid}/stat`);
  if (stat === null) return null;
  let environment = readIfAny(`/proc/${pid}/environ`);
  // In the middle of an exec a program has neither arguments nor environment; a kernel thread or zombie never has, nor memory.
  for (let i = 0; i < MAX_EXEC_LOOKS && environment === '' && memoryIn(stat) > 0; i += 1) {
    const hasArguments = readIfAny(`/proc/${pid}/cmdline`) !== '';
    if (!hasArguments) await pause(1);
    environment = readIfAny(`/proc/${pid}/environ`);
    if (hasArguments) break;
  }
  return { ...parseStat(stat, bootId), marker: markerIn(environment ?? '') };
}

/** For systems without /proc: no sessions, no markers. */
export async function readPsTable(): Promise<readonly ProcessRow[]> {
  const { stdout } = await promisify(execFile)(PS.command, ['-axo', PS.columns], {
    env: PS.env,
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout
    .split('\n')
    .map(parsePsRow)
    .filter((row) => row !== null);
}

/** A line of /proc/<pid>/stat; the program's name, in brackets, may hold spaces and brackets itself. */
export function parseStat(stat: string, bootId: string): Omit<ProcessRow, 'marker'> {
  const field = fieldsOf(stat);
  const ticks = [14, 15, 16, 17].reduce((sum, number) => sum + Number(field(number)), 0);
  return {
    pid: Number.parseInt(stat, 10),
    startTime: `${field(22)}@${bootId.trim()}`,
    parent: Number(field(4)),
    group: Number(field(5)),
    session: Number(field(6)),
    isZombie: field(3) === 'Z' || field(3) === 'X',
    cpuMs: ticks * MS_PER_TICK,
  };
}

/** The fields by the numbers of proc_pid_stat(5), from 3 on. */
function fieldsOf(stat: string): (number: number) => string {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (number) => fields[number - 3] ?? '';
}

const memoryIn = (stat: string): number => Number(fieldsOf(stat)(23));

export function parsePsRow(line: string): ProcessRow | null {
  const [, pid, parent, group, state = '', startTime = ''] =
    /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line) ?? [];
  if (pid === undefined) return null;
  return {
    pid: Number(pid),
    startTime,
    parent: Number(parent),
    group: Number(group),
    session: null,
    isZombie: state.startsWith('Z'),
    marker: null,
    cpuMs: null,
  };
}

function markerIn(environment: string): string | null {
  const entry = environment.split('\0').find((e) => e.startsWith(`${MARKER_VARIABLE}=`));
  return entry === undefined ? null : entry.slice(MARKER_VARIABLE.length + 1);
}

/**
 * Null for a process that has ended (ENOENT, ESRCH) or is another user's (EACCES, EPERM). Read at once and as UTF-8: the
 * kernel has it in memory, and every other way takes Node 24 five times the processor time and 64 kB per file.
 */
export function readIfAny(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return null;
    throw error;
  }
}
