import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { BOOT_ID_FILE, type ProcessRow, PS, parsePsRow, parseStat } from './table.ts';

/** One process for all time: a pid alone is used again. JSON-safe, to be stored. */
export type ProcessIdentity = {
  readonly pid: number;
  /** Opaque: Linux `<start tick>@<boot id>`, elsewhere the start date as `ps` prints it. */
  readonly startTime: string;
};

type State = Pick<ProcessRow, 'startTime' | 'isZombie'>;

/** Null if there is no such process or it may not be seen; a zombie still has an identity. */
export function identityOf(pid: number): ProcessIdentity | null {
  const state = stateOf(pid);
  return state && { pid, startTime: state.startTime };
}

/** Whether this very process runs: a zombie does not, and neither does another one that got its pid. */
export function isAlive(identity: ProcessIdentity): boolean {
  const state = stateOf(identity.pid);
  if (state === null) return isForbidden(identity.pid);
  return !state.isZombie && state.startTime === identity.startTime;
}

function stateOf(pid: number): State | null {
  try {
    return process.platform === 'linux'
      ? parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'), readFileSync(BOOT_ID_FILE, 'utf8'))
      : psState(pid);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return null;
    throw error;
  }
}

/** Another user's process, hidden from us (hidepid): it is there, and that is all we know. */
function isForbidden(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export function psState(pid: number): State | null {
  try {
    const row = execFileSync(PS.command, ['-o', PS.columns, '-p', String(pid)], { env: PS.env, encoding: 'utf8' });
    return parsePsRow(row);
  } catch (error) {
    // ps answers 1 if there is no such process.
    if ((error as { status?: unknown }).status === 1) return null;
    throw error;
  }
}
