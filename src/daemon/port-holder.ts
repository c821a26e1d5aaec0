import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { AppError } from '../contract/errors.ts';

const LISTEN = '0A';

/** Names the program that holds the port, as far as this user may see it. It is never ended. */
export async function portInUse<T>(opening: Promise<T>, port: number): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'port_in_use')) throw error;
    const holder = holderOf(port);
    const who = holder ? `${holder.command} (pid ${holder.pid})` : 'another program';
    throw new AppError('port_in_use', `port ${port} is taken by ${who}: gantry up --port 0 takes a free one`, {
      cause: error,
      details: { port, pid: holder?.pid ?? null },
    });
  }
}

function holderOf(port: number): { readonly pid: number; readonly command: string } | null {
  const sockets = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listening(table, port)));
  if (sockets.size === 0) return null;
  for (const pid of list('/proc').filter((name) => /^\d+$/.test(name))) {
    const holds = list(`/proc/${pid}/fd`).some((fd) => sockets.has(target(`/proc/${pid}/fd/${fd}`)));
    if (holds) return { pid: Number(pid), command: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim() };
  }
  return null;
}

/** `socket:[inode]` of each socket that listens on the port. */
const listening = (table: string, port: number): string[] =>
  read(table)
    .split('\n')
    .slice(1)
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => row[3] === LISTEN && Number.parseInt(row[1]?.split(':')[1] ?? '', 16) === port)
    .map((row) => `socket:[${row[9]}]`);

// Another user's process, one that has just ended, or a system without /proc: nothing is known then.
const orNothing = <T>(look: () => T, nothing: T): T => {
  try {
    return look();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return nothing;
    throw error;
  }
};
const list = (directory: string): string[] => orNothing(() => readdirSync(directory), []);
const read = (file: string): string => orNothing(() => readFileSync(file, 'utf8'), '');
const target = (link: string): string => orNothing(() => readlinkSync(link), '');
