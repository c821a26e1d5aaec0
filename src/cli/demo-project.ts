import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from '../contract/errors.ts';
import type { FileChange } from '../contract/request.ts';
import { runCommand } from '../process/run.ts';

const GIT_LIMIT_MS = 60_000;

/** The demo's own git: no configuration of the person's is read or changed. */
export class DemoProject {
  readonly directory: string;
  readonly #env: Readonly<Record<string, string>>;

  constructor(directory: string, path: string) {
    this.directory = directory;
    const [name, email] = ['Gantry demo', 'demo@localhost'];
    this.#env = {
      PATH: path,
      HOME: directory,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: name,
      GIT_AUTHOR_EMAIL: email,
      GIT_COMMITTER_NAME: name,
      GIT_COMMITTER_EMAIL: email,
    };
  }

  /** A repository with one commit. @throws AppError git_missing, git_failed */
  async create(): Promise<void> {
    mkdirSync(this.directory, { recursive: true });
    writeFileSync(join(this.directory, 'README.md'), '# Demo\n\nA project to try Gantry on.\n');
    await this.#git('init', '--quiet', '--initial-branch=main');
    await this.#git('add', 'README.md');
    await this.#git('commit', '--quiet', '--message=Begin');
  }

  /** Merges the work and looks at the disk. The answer names what is not as the branch has it; nothing means all is there. */
  async takeOver(branch: string, files: readonly FileChange[]): Promise<string[]> {
    await this.#git('merge', '--quiet', '--ff', branch);
    const checks = files
      .filter((file) => file.status !== 'deleted')
      .map(async ({ path }) => {
        const inBranch = await this.#git('show', `${branch}:${path}`);
        const file = join(this.directory, path);
        const onDisk = existsSync(file) ? await readFile(file, 'utf8') : null;
        return onDisk !== null && onDisk !== '' && onDisk === inBranch ? [] : [path];
      });
    return (await Promise.all(checks)).flat();
  }

  async #git(...args: string[]): Promise<string> {
    try {
      const { code, stdout, stderr } = await runCommand({
        command: ['git', ...args],
        cwd: this.directory,
        env: this.#env,
        marker: null,
        limitMs: GIT_LIMIT_MS,
      });
      if (code === 0) return stdout;
      throw new AppError('git_failed', `git ${args[0]}: ${stderr.trim()}`);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'spawn_failed') throw error;
      throw new AppError('git_missing', 'git was not found: install it and try again', { cause: error });
    }
  }
}

/** What `npm start` installed beside the package: OpenCode's program and the ripgrep that it would fetch; null if absent. */
export function installedAgent(): { readonly opencode: string | null; readonly ripgrep: string | null } {
  const modules = fileURLToPath(new URL('../../agents/opencode/node_modules', import.meta.url));
  const { platform, arch } = process;
  const system = `${platform === 'win32' ? 'windows' : platform}-${arch}`;
  const find = (directory: string, prefix: string, program: string): string | null => {
    const found = existsSync(directory)
      ? readdirSync(directory).filter((name) => name.startsWith(`${prefix}${system}`))
      : [];
    return (
      found
        .sort()
        .map((name) => join(directory, name, 'bin', program))
        .find(existsSync) ?? null
    );
  };
  return {
    opencode: find(modules, 'opencode-', 'opencode'),
    ripgrep: find(join(modules, '@vscode'), 'ripgrep-', 'rg'),
  };
}
