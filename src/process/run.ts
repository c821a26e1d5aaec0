import type { StartSpec } from './spawn.ts';

export type RunSpec = Pick<StartSpec, 'command' | 'cwd' | 'env'> & {
  readonly marker: string;
  /** Text for its standard input; without it the input is empty. */
  readonly stdin?: string;
  readonly limitMs: number;
  /** Bound of each of the two outputs; beyond it the middle is cut out. Default 1 MiB. */
  readonly maxOutputBytes?: number;
  readonly signal?: AbortSignal;
};

export type RunResult = {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly isTimedOut: boolean;
  readonly isAborted: boolean;
  readonly isTruncated: boolean;
  readonly durationMs: number;
};
