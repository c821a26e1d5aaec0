import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../../src/base/wait.ts';

const run = promisify(execFile);
const LIMIT_MS = 45_000;

/** Why tests in a pseudo-terminal cannot run here; null if they can. */
export const noTerminal = ((): string | null => {
  try {
    execFileSync('tmux', ['-V']);
    return null;
  } catch {
    return 'tmux is not installed';
  }
})();

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** A program in a real pseudo-terminal, which a test types on and reads as a person sees it. */
export class Terminal implements AsyncDisposable {
  readonly #directory: string;
  readonly #tmux: (...args: string[]) => Promise<string>;
  readonly #pidFile: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#pidFile = join(directory, 'pid');
    this.#tmux = async (...args) => {
      const { stdout } = await run('tmux', ['-S', join(directory, 'socket'), '-f', '/dev/null', ...args]);
      return stdout;
    };
  }

  /** When the program has ended, the screen says `[exit <code>]`. */
  static async open(
    command: readonly string[],
    options: {
      readonly cwd: string;
      readonly env: Readonly<Record<string, string>>;
      readonly columns?: number;
      readonly rows?: number;
    },
  ): Promise<Terminal> {
    const directory = mkdtempSync(join(tmpdir(), 'gantry-terminal-'));
    const terminal = new Terminal(directory);
    const script = join(directory, 'run.sh');
    const variables = Object.entries({ TERM: 'screen-256color', ...options.env }).map(([k, v]) => quoted(`${k}=${v}`));
    const words = command.map(quoted).join(' ');
    const begin = `echo $$ > ${quoted(terminal.#pidFile)}; exec env -i ${variables.join(' ')} ${words}`;
    // A shell that has a trap of its own outlives the Ctrl-C that its program gets.
    writeFileSync(script, `trap : INT\ncd ${quoted(options.cwd)}\nsh -c ${quoted(begin)}\necho "[exit $?]"\ncat\n`);
    const size = ['-x', String(options.columns ?? 100), '-y', String(options.rows ?? 30)];
    await terminal.#tmux('new-session', '-d', '-s', 'main', ...size, `sh ${quoted(script)}`);
    return terminal;
  }

  /** What can be seen, without the blanks at the ends of lines. */
  async screen(): Promise<string> {
    return (await this.#tmux('capture-pane', '-p', '-t', 'main')).replace(/[ \n]+$/, '');
  }

  /** Everything that was shown, also above the screen. */
  async history(): Promise<string> {
    return (await this.#tmux('capture-pane', '-p', '-S', '-', '-t', 'main')).replace(/[ \n]+$/, '');
  }

  async type(text: string): Promise<void> {
    await this.#tmux('send-keys', '-t', 'main', '-l', text);
  }

  /** A key by tmux's name: `Enter`, `C-c`, `C-d`, `Up`. */
  async press(key: string): Promise<void> {
    await this.#tmux('send-keys', '-t', 'main', key);
  }

  /** Types a key again and again until the screen holds `text`. */
  async pressUntil(key: string, text: string): Promise<void> {
    const look = async (): Promise<true | null> => {
      if ((await this.history()).includes(text)) return true;
      await this.type(key);
      return null;
    };
    await until(look, { everyMs: 200, limitMs: LIMIT_MS }, () => new Error(`"${key}" never led to "${text}"`));
  }

  /** The screen with its colours. */
  colours(): Promise<string> {
    return this.#tmux('capture-pane', '-p', '-e', '-t', 'main');
  }

  /** The program stands still meanwhile: it knows of its new size before it draws again, however late tmux tells it. */
  async resize(columns: number, rows: number): Promise<void> {
    const tty = (await this.#tmux('display', '-p', '-t', 'main', '#{pane_tty}')).trim();
    const program = Number(readFileSync(this.#pidFile, 'utf8'));
    process.kill(program, 'SIGSTOP');
    try {
      await this.#tmux('resize-window', '-t', 'main', '-x', String(columns), '-y', String(rows));
      const isTold = async (): Promise<true | null> => {
        const { stdout } = await run('sh', ['-c', 'stty size < "$1"', 'sh', tty]);
        return stdout.trim() === `${rows} ${columns}` ? true : null;
      };
      await until(isTold, { everyMs: 30, limitMs: LIMIT_MS }, () => new Error(`the window is not ${columns} wide`));
    } finally {
      process.kill(program, 'SIGCONT');
    }
  }

  /** Resolves with the screen as soon as it holds `text`. */
  async shows(text: string | RegExp): Promise<string> {
    let last = '';
    const look = async (): Promise<string | null> => {
      last = await this.screen();
      return (typeof text === 'string' ? last.includes(text) : text.test(last)) ? last : null;
    };
    const limits = { everyMs: 30, limitMs: LIMIT_MS };
    return until(look, limits, () => new Error(`the terminal never showed ${text}:\n${last}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux('kill-server');
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
