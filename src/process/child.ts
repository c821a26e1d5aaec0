import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, type FileHandle, open, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { AppError } from '../contract/errors.ts';
import { identityOf } from './identity.ts';
import { MARKER_VARIABLE } from './table.ts';
import { ProcessTree } from './tree.ts';

/** How a program ended. `code` is null if a signal killed it, and never read as 0. */
export type Exit = { readonly code: number | null; readonly signal: string | null };

export type ChildSpec = {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Null for a program that is known to leave nothing behind: only its group and children are looked after. */
  readonly marker: string | null;
  readonly stdin: 'pipe' | 'ignore' | { readonly text: string };
};

/** A child that runs, in a group and session of its own. */
export type Child = {
  readonly process: ChildProcess;
  readonly tree: ProcessTree;
  readonly exited: Promise<Exit>;
  readonly endInput: () => void;
};

/**
 * Resolves when the program runs. `output` null: two pipes.
 * @throws AppError `spawn_failed`, naming the program and the cause; `details.cause` is the system's code.
 */
export async function spawnChild(spec: ChildSpec, output: FileHandle | null): Promise<Child> {
  const [name, ...args] = spec.command;
  const program = await findProgram(name, spec);
  const sink = output === null ? 'pipe' : output.fd;
  const env = spec.marker === null ? spec.env : { ...spec.env, [MARKER_VARIABLE]: spec.marker };
  const child = await new Promise<Omit<Child, 'endInput'>>((done, fail) => {
    const process = spawn(program, args, {
      cwd: spec.cwd,
      env,
      detached: true,
      stdio: [spec.stdin === 'ignore' ? 'ignore' : 'pipe', sink, sink],
    });
    const exited = new Promise<Exit>((ended) => {
      process.once('exit', (code, signal) => ended({ code, signal }));
    });
    // Asked before the event loop can reap it: even a program that ends at once still has its start time.
    const identity = process.pid === undefined ? null : identityOf(process.pid);
    process.once('spawn', () => {
      if (identity) done({ process, exited, tree: new ProcessTree(identity, spec.marker, true) });
      else fail(new Error('the system does not tell its start time'));
    });
    process.on('error', fail);
  }).catch((error: unknown) => {
    throw spawnFailed(name, error);
  });
  const { stdin } = child.process;
  // A program that stops reading is seen by its end, and by the answer of each write.
  stdin?.on('error', () => undefined);
  if (typeof spec.stdin === 'object') stdin?.end(spec.stdin.text);
  return { ...child, endInput: () => stdin?.end() };
}

/** @throws AppError `spawn_failed` */
export async function openOutput(name: string, file: string): Promise<FileHandle> {
  try {
    return await open(file, 'a+', 0o600);
  } catch (error) {
    throw new AppError('spawn_failed', `"${name}" could not be started: its output file ${file} cannot be written`, {
      cause: error,
      details: { program: name, cause: codeOf(error) },
    });
  }
}

/**
 * As the shell looks it up, except that only absolute entries of PATH count: the working directory is not trusted.
 * @throws AppError `spawn_failed`, naming the program and the cause
 */
export async function findProgram(name: string, { cwd, env }: Pick<ChildSpec, 'cwd' | 'env'>): Promise<string> {
  const refuse = (reason: string, cause: string): AppError =>
    new AppError('spawn_failed', `"${name}" could not be started: ${reason}`, { details: { program: name, cause } });
  const directory = await stat(cwd).catch(() => null);
  if (!directory?.isDirectory()) throw refuse(`its working directory ${cwd} does not exist`, 'cwd_missing');
  const places = name.includes('/')
    ? [resolve(cwd, name)]
    : (env.PATH ?? '')
        .split(':')
        .filter(isAbsolute)
        .map((place) => join(place, name));
  let isFound = false;
  for (const place of places) {
    const file = await stat(place).catch(() => null);
    if (!file?.isFile()) continue;
    isFound = true;
    const isExecutable = await access(place, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isExecutable) return place;
  }
  if (isFound) throw refuse('the file is not executable', 'EACCES');
  const where = name.includes('/') ? `there is no file ${places[0]}` : 'there is no such program on PATH';
  throw refuse(where, 'ENOENT');
}

function spawnFailed(name: string, error: unknown): AppError {
  const cause = codeOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  return new AppError('spawn_failed', `"${name}" could not be started: ${reason}`, {
    cause: error,
    details: { program: name, cause },
  });
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unknown';
