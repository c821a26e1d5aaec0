import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A real repository in a directory of its own, with a private HOME beside it. */
export type TestRepository = AsyncDisposable & {
  readonly root: string;
  /** A path beside the repository, where nothing is yet. */
  readonly beside: (name: string) => string;
  readonly env: { readonly PATH: string; readonly HOME: string };
  /** Runs git in the repository, or in `directory`; standard output without its last line end. */
  readonly git: (args: readonly string[], directory?: string) => Promise<string>;
  /** Writes a file below the repository, or below `directory`. */
  readonly write: (path: string, content: string | Buffer, directory?: string) => Promise<void>;
  /** Commits everything; answers the commit. */
  readonly commit: (message: string, directory?: string) => Promise<string>;
};

/** With one commit on `main`, unless it is to have none; `below` a directory, or in one for temporary files. */
export async function makeRepository(
  options: { readonly hasCommit?: boolean; readonly below?: string } = {},
): Promise<TestRepository> {
  const parent = await realpath(await mkdtemp(join(options.below ?? tmpdir(), 'gantry-repository-')));
  const root = join(parent, 'project');
  const home = join(parent, 'home');
  await mkdir(root);
  await mkdir(home);
  await writeFile(
    join(home, '.gitconfig'),
    '[user]\nname = Test Person\nemail = person@example.org\n[init]\ndefaultBranch = main\n',
  );
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: home };
  const git = async (args: readonly string[], directory = root): Promise<string> => {
    const { stdout } = await run('git', args, { cwd: directory, env, maxBuffer: 64 * 1024 * 1024 });
    return stdout.replace(/\n$/, '');
  };
  const write = async (path: string, content: string | Buffer, directory = root): Promise<void> => {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  };
  const commit = async (message: string, directory = root): Promise<string> => {
    await git(['add', '--all'], directory);
    await git(['commit', '--quiet', '--allow-empty', '--message', message], directory);
    return await git(['rev-parse', 'HEAD'], directory);
  };
  await git(['init', '--quiet']);
  if (options.hasCommit !== false) {
    await write('README.md', 'A project.\n');
    await commit('first');
  }
  return {
    root,
    env,
    git,
    write,
    commit,
    beside: (name) => join(parent, name),
    [Symbol.asyncDispose]: () => rm(parent, { recursive: true }),
  };
}
