import type { ProcessIdentity } from './identity.ts';
import type { Line } from './lines.ts';
import type { StopReport } from './stop.ts';

/** How a program ended. `code` is null if a signal killed it, and never read as 0. */
export type Exit = { readonly code: number | null; readonly signal: string | null };

export type StartSpec = {
  /** Program and arguments; a bare name is looked up in `env.PATH`, a relative path starts at `cwd`. */
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Put into the environment as `GANTRY_SPAWN`, so that every descendant can be found, in whatever group or session. */
  readonly marker: string;
  readonly stdin: 'pipe' | 'ignore' | { readonly text: string };
  /** A file takes both streams, is appended to, and lets the program outlive Gantry. */
  readonly output: 'pipe' | { readonly file: string };
  /** Longest line kept whole; default 8 MiB. */
  readonly maxLineBytes?: number;
};

export type StopOptions = {
  /** Time to end by itself, given once after the end of stdin (if `isStdinEndedFirst`) and once after TERM. */
  readonly graceMs: number;
  /** For programs that leave cleanly at the end of their input. */
  readonly isStdinEndedFirst?: boolean;
};

export type RunningProcess = {
  readonly identity: ProcessIdentity;
  readonly marker: string;
  /** False if the program no longer reads. Resolves when the pipe has taken the text. */
  readonly write: (text: string) => Promise<boolean>;
  readonly endInput: () => void;
  /** Standard output, for one reader, who sets the pace; ends soon after the program does. Empty if the output goes to a file. */
  readonly lines: AsyncIterable<Line>;
  /** The last of what the program said for people: stderr, or the output file. At most 16 KiB. */
  readonly lastOutput: () => Promise<string>;
  readonly exited: Promise<Exit>;
  /** Stops the program and all its descendants; callers share one stop. */
  readonly stop: (options: StopOptions) => Promise<StopReport>;
};
