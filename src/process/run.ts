import type { Readable } from 'node:stream';
import { pause, settled } from '../base/wait.ts';
import { spawnChild } from './child.ts';
import { readChunks } from './lines.ts';
import { OutputBuffer } from './output-buffer.ts';
import type { StartSpec } from './spawn.ts';
import { stopOwn } from './stop.ts';

export type RunSpec = Pick<StartSpec, 'command' | 'cwd' | 'env'> & {
  /** Null only for a program that is known to leave nothing behind: then nothing is swept after its end. */
  readonly marker: string | null;
  /** Text for its standard input; without it the input is empty. */
  readonly stdin?: string;
  readonly limitMs: number;
  /** Bound of each of the two outputs; beyond it the middle is cut out. Default 1 MiB. */
  readonly maxOutputBytes?: number;
  /** `latin1` for output that is no text: each character is a byte. Default `utf8`. */
  readonly encoding?: 'utf8' | 'latin1';
  readonly signal?: AbortSignal;
  /** Between TERM and KILL, once the limit is over, the run is aborted or it has left others behind. Default 2 s. */
  readonly graceMs?: number;
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

const MAX_OUTPUT_BYTES = 1024 * 1024;
const GRACE_MS = 2_000;
/** For output that is still in the pipes when the program and its descendants have ended. */
const DRAIN_LIMIT_MS = 5_000;
/** setTimeout's longest. */
const LONGEST_LIMIT_MS = 2_147_483_647;

/**
 * Runs a program to its end, its limit or the abort; in each case nothing of its tree is left.
 * How it ended is a value: `code` null means a signal, or that it did not end by itself. An abort that came first starts nothing.
 * @throws AppError `spawn_failed`, naming the program and the cause.
 */
export async function runCommand(spec: RunSpec): Promise<RunResult> {
  const began = performance.now();
  const half = Math.floor((spec.maxOutputBytes ?? MAX_OUTPUT_BYTES) / 2);
  const stdout = new OutputBuffer(half, half);
  const stderr = new OutputBuffer(half, half);
  const result = (end: Pick<RunResult, 'code' | 'signal' | 'isTimedOut' | 'isAborted'>): RunResult => ({
    ...end,
    stdout: stdout.text(spec.encoding),
    stderr: stderr.text(),
    isTruncated: stdout.isTruncated || stderr.isTruncated,
    durationMs: performance.now() - began,
  });
  if (spec.signal?.aborted) return result({ code: null, signal: null, isTimedOut: false, isAborted: true });

  const stdin = spec.stdin === undefined ? 'ignore' : { text: spec.stdin };
  const child = await spawnChild({ ...spec, stdin }, null);
  const collected = Promise.all([
    collect(child.process.stdout, stdout, child.exited),
    collect(child.process.stderr, stderr, child.exited),
  ]);
  const why = await firstEnd(child.exited, spec);
  const mustStop = why !== 'exited' || (spec.marker !== null && (await child.tree.lookAfterEnd()).length > 0);
  const exit = mustStop ? await stopOwn(child, { graceMs: spec.graceMs ?? GRACE_MS }) : await child.exited;
  await settled(collected, DRAIN_LIMIT_MS);
  child.process.stdout?.destroy();
  child.process.stderr?.destroy();
  // What a program answers that was told to end says nothing of its work.
  const code = why === 'exited' ? exit.code : null;
  return result({ code, signal: exit.signal, isTimedOut: why === 'elapsed', isAborted: why === 'aborted' });
}

/** The same for a script in the words of /bin/sh. */
export function runShell(script: string, spec: Omit<RunSpec, 'command'>): Promise<RunResult> {
  return runCommand({ ...spec, command: ['/bin/sh', '-c', script] });
}

async function firstEnd(
  exited: Promise<unknown>,
  { limitMs, signal }: RunSpec,
): Promise<'exited' | 'elapsed' | 'aborted'> {
  const over = new AbortController();
  const exit = exited.then(() => {
    over.abort();
    return 'exited' as const;
  });
  const signals = signal ? [over.signal, signal] : [over.signal];
  const limit = pause(Math.min(limitMs, LONGEST_LIMIT_MS), AbortSignal.any(signals));
  const first = await Promise.race([exit, limit]);
  return over.signal.aborted ? 'exited' : first;
}

async function collect(stream: Readable | null, output: OutputBuffer, exited: Promise<unknown>): Promise<void> {
  if (stream) for await (const chunk of readChunks(stream, exited)) output.add(chunk);
}
