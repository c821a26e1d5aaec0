import { pause } from '../base/wait.ts';
import { AppError } from '../contract/errors.ts';
import { isAlive } from '../process/identity.ts';
import { type RunResult, runCommand } from '../process/run.ts';
import { stopStranger } from '../process/stop.ts';
import { findByMarker } from '../process/sweep.ts';
import { MARKER_VARIABLE } from '../process/table.ts';

/** What a refusal of git was about, in `details.cause`, where a caller may want to decide on it. */
export type GitCause =
  | 'path_taken'
  | 'branch_exists'
  | 'branch_invalid'
  | 'branch_moved'
  | 'branch_left'
  | 'branch_checked_out'
  | 'base_missing'
  | 'revision_missing'
  | 'not_clean'
  | 'not_a_worktree'
  | 'submodule_changed'
  | 'output_too_large'
  | 'refused';

export type GitOptions = {
  readonly stdin?: string;
  /** Added to the environment: the temporary index, the author. */
  readonly env?: Readonly<Record<string, string>>;
  readonly maxOutputBytes?: number;
  /** `latin1` for the bytes of a file. */
  readonly encoding?: 'utf8' | 'latin1';
  /** Exit codes that are an answer; default: 0 only. */
  readonly accepts?: readonly number[];
  /** It speaks with a remote, and gets what leads there: the person's SSH agent, proxies, certificates. */
  readonly isRemote?: boolean;
};

/** From the caller's environment; the rest of it does not reach git. */
const PASSED = ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'TMPDIR'];
const PASSED_TO_REMOTES = [
  ...[
    'SSH_AUTH_SOCK',
    'GIT_SSH',
    'GIT_SSH_COMMAND',
    'GIT_SSL_CAINFO',
    'GIT_SSL_CAPATH',
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
  ],
  ...['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'].flatMap((name) => [name, name.toUpperCase()]),
];

/** Git asks nobody, runs no hook, signs nothing, tidies nothing up, and takes no lock that it can do without. */
const FIXED_ENV = {
  LC_ALL: 'C',
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_EDITOR: 'true',
  GIT_PAGER: 'cat',
};
const SETTINGS = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.safecrlf=false',
  'commit.gpgSign=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'submodule.recurse=false',
  'advice.addEmbeddedRepo=false',
  // The person's own git may hold a lock for a moment.
  'core.filesRefLockTimeout=5000',
  'core.packedRefsTimeout=5000',
].flatMap((setting) => ['-c', setting]);

/** A checkout or a snapshot of a very large repository; everything else takes milliseconds. */
const LIMIT_MS = 10 * 60_000;
const ORPHAN_LIMIT_MS = 30_000;
const ORPHAN_POLL_MS = 20;
const ORPHAN_GRACE_MS = 5_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Runs git. One for the daemon: it also keeps changes of one repository apart in time. */
export class Git {
  readonly #env: Readonly<Record<string, string>>;
  readonly #remoteEnv: Readonly<Record<string, string>>;
  readonly #marker: string | null;
  readonly #tails = new Map<string, Promise<unknown>>();
  #version: string | null = null;

  /** `marker`: the same for every daemon of one home, so that the next one finds what this one leaves running. */
  constructor(env: Readonly<Record<string, string | undefined>>, marker: string | null = null) {
    const passed = (names: readonly string[]): Record<string, string> =>
      Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const])));
    const mark = marker === null ? {} : { [MARKER_VARIABLE]: marker };
    this.#env = { ...passed(PASSED), ...FIXED_ENV, ...mark };
    this.#remoteEnv = passed(PASSED_TO_REMOTES);
    this.#marker = marker;
  }

  /**
   * Waits until everything has ended that an earlier daemon with this marker was running when it was killed: two at once
   * in one worktree fail on each other's locks. After 30 s it is stopped. For the start, before anything else is run.
   */
  async settle(): Promise<void> {
    if (this.#marker === null) return;
    const marker = this.#marker;
    const left = (await findByMarker(marker)).filter((found) => found.marker === marker);
    const end = performance.now() + ORPHAN_LIMIT_MS;
    for (const { identity } of left) {
      while (isAlive(identity) && performance.now() < end) await pause(ORPHAN_POLL_MS);
      if (isAlive(identity)) await stopStranger(identity, marker, { graceMs: ORPHAN_GRACE_MS });
    }
  }

  /**
   * Runs git in a directory.
   * @throws AppError `git_missing`; `git_failed` with git's own words, for an exit code that is not accepted; `timeout`.
   */
  async run(directory: string, args: readonly string[], options: GitOptions = {}): Promise<RunResult> {
    const result = await this.#start(directory, args, options);
    if (result.isTimedOut) throw new AppError('timeout', `git ${args[0]} took longer than 10 minutes in ${directory}`);
    if (result.code === null || !(options.accepts ?? [0]).includes(result.code)) {
      const words = (result.stderr.trim() || result.stdout.trim()).slice(-1_000);
      const end = result.code === null ? `was killed by ${result.signal}` : `ended with ${result.code}`;
      throw gitRefused('refused', `git ${args[0]} ${end} in ${directory}: ${words}`);
    }
    return result;
  }

  /** Standard output, whole and without its last line end. @throws AppError as `run`; `git_failed` if it is too large. */
  async read(directory: string, args: readonly string[], options: GitOptions = {}): Promise<string> {
    const result = await this.run(directory, args, options);
    if (result.isTruncated) throw gitRefused('output_too_large', `git ${args[0]} says too much in ${directory}`);
    return result.stdout.replace(/\n$/, '');
  }

  /** What `git --version` says, asked once. @throws AppError as `read` */
  async version(directory: string): Promise<string> {
    this.#version ??= await this.read(directory, ['--version']);
    return this.#version;
  }

  /** The output's entries, each ended by NUL. */
  async readList(directory: string, args: readonly string[], options: GitOptions = {}): Promise<string[]> {
    const text = await this.read(directory, args, options);
    return text === '' ? [] : text.replace(/\0$/, '').split('\0');
  }

  /** Whether git answers yes (0) or no (1). */
  async holds(directory: string, args: readonly string[]): Promise<boolean> {
    return (await this.run(directory, args, { accepts: [0, 1] })).code === 0;
  }

  /** Does `work` after all earlier work on this repository: two changes at once fail on each other's locks. */
  exclusive<T>(repoRoot: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(repoRoot) ?? Promise.resolve();
    const result = before.then(work);
    const tail = result
      .catch(() => undefined)
      .then(() => {
        if (this.#tails.get(repoRoot) === tail) this.#tails.delete(repoRoot);
      });
    this.#tails.set(repoRoot, tail);
    return result;
  }

  async #start(directory: string, args: readonly string[], options: GitOptions): Promise<RunResult> {
    try {
      return await runCommand({
        command: ['git', ...SETTINGS, ...args],
        cwd: directory,
        env: { ...this.#env, ...(options.isRemote && this.#remoteEnv), ...options.env },
        marker: null,
        limitMs: LIMIT_MS,
        maxOutputBytes: options.maxOutputBytes ?? MAX_OUTPUT_BYTES,
        ...(options.encoding === undefined ? {} : { encoding: options.encoding }),
        ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
      });
    } catch (error) {
      if (error instanceof AppError && error.code === 'spawn_failed' && error.details?.cause !== 'cwd_missing') {
        throw new AppError('git_missing', 'git was not found on PATH: install git 2.38 or newer', { cause: error });
      }
      throw error;
    }
  }
}

/** `git_failed` with its cause for deciding and a sentence for reading. */
export function gitRefused(cause: GitCause, message: string): AppError {
  return new AppError('git_failed', message, { details: { cause } });
}
