import { open } from 'node:fs/promises';
import { settled } from '../base/wait.ts';
import { type Child, type ChildSpec, type Exit, openOutput, spawnChild } from './child.ts';
import type { ProcessIdentity } from './identity.ts';
import { type Line, readLines } from './lines.ts';
import { OutputBuffer } from './output-buffer.ts';
import { type StopOptions, type StopReport, stopOwn } from './stop.ts';

export type StartSpec = {
  /** Program and arguments; a bare name is looked up in `env.PATH`, a relative path starts at `cwd`. */
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Put into the environment as `GANTRY_SPAWN`, so that every descendant can be found, in whatever group or session. */
  readonly marker: string;
  readonly stdin: ChildSpec['stdin'];
  /** A file takes both streams, is appended to, and lets the program outlive Gantry. */
  readonly output: 'pipe' | { readonly file: string };
  /** Longest line kept whole; default 8 MiB. */
  readonly maxLineBytes?: number;
};

export type RunningProcess = {
  readonly identity: ProcessIdentity;
  /** False if the program no longer reads. Resolves when the pipe has taken the text. */
  readonly write: (text: string) => Promise<boolean>;
  readonly endInput: () => void;
  /** Standard output, for one reader, who sets the pace; ends soon after the program does. Empty if the output goes to a file. */
  readonly lines: AsyncIterable<Line>;
  /** The last of what the program said for people: stderr, or the output file. At most 16 KiB. */
  readonly lastOutput: () => Promise<string>;
  readonly exited: Promise<Exit>;
  /** Stops the program and all its descendants. May be called again, as with a shorter grace. */
  readonly stop: (options: StopOptions) => Promise<StopReport>;
};

const MAX_LINE_BYTES = 8 * 1024 * 1024;
const LAST_OUTPUT_BYTES = 16 * 1024;
/** What a program said last may arrive a moment after its end. */
const LAST_OUTPUT_WAIT_MS = 500;

/**
 * Starts a program in a group and session of its own; it runs when this resolves. The caller owns its end: `stop`.
 * @throws AppError `spawn_failed`, naming the program and the cause.
 */
export async function startProcess(spec: StartSpec): Promise<RunningProcess> {
  const file = spec.output === 'pipe' ? null : await openOutput(spec.command[0], spec.output.file);
  let child: Child;
  let fileStart = 0;
  try {
    fileStart = (await file?.stat())?.size ?? 0;
    child = await spawnChild(spec, file);
  } finally {
    await file?.close();
  }
  const { exited, tree, endInput } = child;
  const { output } = spec;
  const { stdin, stdout } = child.process;
  // If the process table cannot be read now, a later stop reads it again and reports the failure.
  exited.then(() => tree.lookAfterEnd()).catch(() => undefined);
  return {
    identity: tree.root,
    exited,
    endInput,
    write: (text) =>
      new Promise((resolve) => {
        if (!stdin?.writable) resolve(false);
        else stdin.write(text, (error) => resolve(!error));
      }),
    lines: stdout ? readLines(stdout, spec.maxLineBytes ?? MAX_LINE_BYTES, exited) : noLines(),
    lastOutput: output === 'pipe' ? tailOfErrors(child) : () => tailOfFile(output.file, fileStart),
    stop: (options) => stopOwn(child, options),
  };
}

async function* noLines(): AsyncGenerator<Line, void, undefined> {
  // The output is in a file.
}

function tailOfErrors({ process: { stderr }, exited }: Child): () => Promise<string> {
  const tail = new OutputBuffer(0, LAST_OUTPUT_BYTES);
  const finished = new Promise<void>((resolve) => {
    stderr?.on('data', (chunk: Buffer) => tail.add(chunk)).once('close', resolve);
  });
  let hasExited = false;
  void exited.then(() => {
    hasExited = true;
  });
  return async () => {
    if (hasExited) await settled(finished, LAST_OUTPUT_WAIT_MS);
    return tail.text();
  };
}

async function tailOfFile(path: string, start: number): Promise<string> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const from = Math.max(start, size - LAST_OUTPUT_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(LAST_OUTPUT_BYTES), 0, LAST_OUTPUT_BYTES, from);
  return buffer.toString('utf8', 0, bytesRead);
}
