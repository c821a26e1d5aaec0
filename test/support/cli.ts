import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Deferred, deferred } from '../../src/base/wait.ts';
import { programFile } from './programs.ts';
import { COMPILE_CACHE } from './temp.ts';

const ENTRY = programFile('cli/main');
const LIMIT_MS = 60_000;

export type CliOptions = {
  /** GANTRY_HOME and HOME of the command: nothing of the person who runs the tests is used. */
  readonly home: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The whole standard input; without it the input is empty. */
  readonly stdin?: string;
  /** A failure bound, never the thing measured. */
  readonly limitMs?: number;
};

export type CliResult = {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** The environment of a command under test. */
export const cliEnvironment = ({ home, env }: Pick<CliOptions, 'home' | 'env'>): Record<string, string> => ({
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  HOME: home,
  GANTRY_HOME: home,
  LANG: 'C.UTF-8',
  GIT_CONFIG_NOSYSTEM: '1',
  ...COMPILE_CACHE,
  ...env,
});

/** The program and arguments of a command, for those who start it in their own way. */
export const cliCommand = (...args: string[]): string[] => [process.execPath, '--no-warnings', ENTRY, ...args];

/** A command that runs: what it has written so far, and its end. */
export class Cli implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly exited: Promise<CliResult>;
  #stdout = '';
  #stderr = '';
  #more: Deferred<void> = deferred();

  constructor(args: readonly string[], options: CliOptions) {
    const [program = '', ...rest] = cliCommand(...args);
    this.child = spawn(program, rest, {
      cwd: options.cwd ?? options.home,
      env: cliEnvironment(options),
      stdio: 'pipe',
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#told();
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#told();
    });
    // A command that ends early does not read what it was given.
    this.child.stdin?.on('error', () => undefined);
    const limit = setTimeout(() => this.child.kill('SIGKILL'), options.limitMs ?? LIMIT_MS);
    this.exited = once(this.child, 'close').then(([code, signal]) => {
      clearTimeout(limit);
      return { code, signal, stdout: this.#stdout, stderr: this.#stderr } as CliResult;
    });
  }

  /** Both streams so far. */
  get output(): string {
    return this.#stdout + this.#stderr;
  }

  #told(): void {
    this.#more.resolve();
    this.#more = deferred();
  }

  type(text: string): void {
    this.child.stdin?.write(text);
  }

  /** Resolves when the output holds `text`; fails when the command ends without. */
  async shows(text: string): Promise<void> {
    const isOver = this.exited.then(() => true);
    for (;;) {
      const more = this.#more.promise.then(() => false);
      if (this.output.includes(text)) return;
      if (!(await Promise.race([isOver, more]))) continue;
      if (this.output.includes(text)) return;
      throw new Error(`the command ended without "${text}":\n${this.output}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.exited;
  }
}

/** Runs a command to its end. */
export async function gantry(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const cli = new Cli(args, options);
  cli.child.stdin?.end(options.stdin ?? '');
  return cli.exited;
}

/** The one document of a command with `--json`. */
export function documentOf(result: CliResult): unknown {
  try {
    return JSON.parse(result.stdout);
  } catch (error) {
    throw new Error(`stdout is not one JSON document: ${result.stdout}\nstderr: ${result.stderr}`, { cause: error });
  }
}
