import { copyFile, lstat, mkdtemp, realpath, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type Git, gitRefused } from './git.ts';

/** Repositories inside of repositories inside of the workspace: nobody has more. */
const MAX_DEPTH = 4;

/**
 * The tree object of everything in a checkout that is not ignored: tracked or not, hidden from git's view by flags or
 * not, and the files of repositories that were made inside of it. The checkout, its index and its HEAD stay as they are.
 * Not in it: empty directories, sockets and pipes, and what a submodule holds beyond its recorded commit.
 */
export async function treeOfFiles(git: Git, checkout: string): Promise<string> {
  const { gitDir } = await needCheckout(git, checkout);
  // What a kill leaves of it goes with the worktree.
  const scratch = await mkdtemp(join(gitDir, 'gantry-index-'));
  try {
    await copyIndex(join(gitDir, 'index'), join(scratch, 'index-0'));
    return await new TreeBuilder(git, gitDir, scratch).build(checkout, 0);
  } finally {
    await rm(scratch, { recursive: true });
  }
}

/**
 * The git directory of a checkout, and that of its repository. Without its own `.git` it would be taken for a part of whatever repository it lies in.
 * @throws AppError `git_failed` (`not_a_worktree`)
 */
export async function needCheckout(
  git: Git,
  checkout: string,
): Promise<{ readonly gitDir: string; readonly commonDir: string }> {
  const asked = ['--absolute-git-dir', '--show-toplevel', '--path-format=absolute', '--git-common-dir'];
  const [gitDir = '', top, commonDir = ''] = (await git.read(checkout, ['rev-parse', ...asked])).split('\n');
  if (top !== (await realpath(checkout)))
    throw gitRefused('not_a_worktree', `${checkout} is not the top of a checkout`);
  return { gitDir, commonDir };
}

/** The index tells git which files it need not read again. It is made to look older, so that git trusts it less. */
async function copyIndex(from: string, to: string): Promise<void> {
  const found = await stat(from).catch(() => null);
  if (!found) return;
  await copyFile(from, to);
  // A change in the very moment of the last `git add` is seen only if the index is not newer than the file.
  const older = new Date(found.mtimeMs - 2_000);
  await utimes(to, older, older);
}

class TreeBuilder {
  readonly #git: Git;
  readonly #gitDir: string;
  readonly #scratch: string;
  #indexes = 0;

  constructor(git: Git, gitDir: string, scratch: string) {
    this.#git = git;
    this.#gitDir = gitDir;
    this.#scratch = scratch;
  }

  async build(workTree: string, depth: number): Promise<string> {
    if (depth > MAX_DEPTH) throw gitRefused('refused', `${workTree} lies too deep inside of other repositories`);
    const env = {
      GIT_DIR: this.#gitDir,
      GIT_WORK_TREE: workTree,
      GIT_INDEX_FILE: join(this.#scratch, `index-${this.#indexes++}`),
    };
    const git = (args: readonly string[], stdin = ''): Promise<string> =>
      this.#git.read(workTree, ['-c', 'core.splitIndex=false', ...args], { env, stdin });
    const list = (args: readonly string[]): Promise<string[]> => this.#git.readList(workTree, args, { env });

    await showHidden(workTree, await list(['ls-files', '-v', '-z']), git);
    const others = await list(['ls-files', '-z', '--others', '--exclude-standard']);
    // Only a repository of its own is listed as a directory. Git would record its commit and leave its files out.
    const nested = others.filter((path) => path.endsWith('/')).map((path) => path.slice(0, -1));
    const places = ['.', ...nested.map((path) => `:(exclude,literal)${path}`)];
    await git(['add', '--all', '--pathspec-from-file=-', '--pathspec-file-nul'], places.join('\0'));
    const empty = nested.length > 0 ? await git(['hash-object', '-t', 'tree', '--stdin']) : null;
    for (const path of nested) {
      const tree = await this.build(join(workTree, path), depth + 1);
      if (tree !== empty) await git(['read-tree', `--prefix=${path}/`, tree]);
    }
    return await git(['write-tree']);
  }
}

/** Takes back the two flags by which a changed file escapes `git add`: assume-unchanged, and skip-worktree of a file that is there. */
async function showHidden(
  workTree: string,
  entries: readonly string[],
  git: (args: readonly string[], stdin: string) => Promise<string>,
): Promise<void> {
  const paths = (isHidden: (tag: string) => boolean): string[] =>
    entries.filter((entry) => isHidden(entry.charAt(0))).map((entry) => entry.slice(2));
  const assumed = paths((tag) => tag !== tag.toUpperCase());
  const skipped = paths((tag) => tag.toUpperCase() === 'S');
  const isThere = await Promise.all(
    skipped.map((path) =>
      lstat(join(workTree, path)).then(
        () => true,
        () => false,
      ),
    ),
  );
  const present = skipped.filter((_, at) => isThere[at]);
  if (assumed.length > 0) await git(['update-index', '-z', '--no-assume-unchanged', '--stdin'], assumed.join('\0'));
  if (present.length > 0) await git(['update-index', '-z', '--no-skip-worktree', '--stdin'], present.join('\0'));
}
