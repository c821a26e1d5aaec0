import type { RunResult, RunSpec } from '../process/run.ts';
import type { RunningProcess, StartSpec } from '../process/spawn.ts';
import type { StopOptions, StopReport } from '../process/stop.ts';
import type { TreeUsage } from '../process/usage.ts';

export type { Exit } from '../process/child.ts';
export type { Line } from '../process/lines.ts';
export type { RunResult, RunSpec } from '../process/run.ts';
export type { StartSpec } from '../process/spawn.ts';
export type { StopOptions, StopReport } from '../process/stop.ts';
export type { TreeUsage } from '../process/usage.ts';

/**
 * What a program gets to see on a host that walls it off, beside its working directory (which it may change) and its own
 * installation. Absolute paths; a host without walls takes no notice.
 */
export type Access = { readonly writable: readonly string[]; readonly readable: readonly string[] };

export type HostStart = StartSpec & { readonly access?: Access };
export type HostRun = RunSpec & { readonly access?: Access };

/** What is stored about a program, enough to find and stop it after Gantry's own restart. JSON-safe. */
export type ProcessRecord = {
  readonly hostId: string;
  readonly pid: number;
  /** Opaque token of that host; with `pid` it names one process for all time. */
  readonly startTime: string;
  readonly marker: string;
};

/** A running program: its input, its output by lines, its end. */
export type HostProcess = Omit<RunningProcess, 'identity'> & {
  readonly record: ProcessRecord;
  /** The port of this machine's loopback that leads to that port of the program's own loopback, while it lives. */
  readonly reach: (port: number) => Promise<number>;
};

/**
 * A place where an agent program runs. Laws, checked by the host suite:
 * a program gets exactly the environment that is given, is in a group of its own, and is running when `start` resolves;
 * `stop` leaves no descendant alive or names it; a record of a program that has ended is never taken for a stranger's.
 */
export type Host = {
  readonly id: string;
  /** @throws AppError `spawn_failed`, naming the program and the cause. */
  readonly start: (spec: HostStart) => Promise<HostProcess>;
  /** Runs to the end within bounds; whatever it leaves running is stopped. @throws AppError `spawn_failed`. */
  readonly run: (spec: HostRun) => Promise<RunResult>;
  /** For a program whose HostProcess is gone, as after a restart. One that has ended already: only its descendants are swept. */
  readonly stop: (record: ProcessRecord, options: Pick<StopOptions, 'graceMs'>) => Promise<StopReport>;
  readonly isAlive: (record: ProcessRecord) => Promise<boolean>;
  /** Every living process whose marker begins so. Empty where the system does not show environments (not Linux). */
  readonly find: (markerPrefix: string) => Promise<readonly ProcessRecord[]>;
  /** Null where it cannot be known. */
  readonly usage: (marker: string) => Promise<TreeUsage | null>;
  /**
   * Stops a program and all that it started where they stand: no processor time, no output, nothing lost. Absent with `thaw`
   * where a program cannot be stopped alone. @throws AppError `internal` unless the system says that it stands
   */
  readonly freeze?: (record: ProcessRecord) => Promise<void>;
  /** It goes on. @throws AppError `internal` unless the system says that it does; then it was ended */
  readonly thaw?: (record: ProcessRecord) => Promise<void>;
};
