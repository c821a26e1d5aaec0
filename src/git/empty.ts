import { mkdir } from 'node:fs/promises';
import type { Git } from './git.ts';
import { branchRef, commitOf } from './refs.ts';
import { commitTree } from './snapshot.ts';

const BRANCH = 'main';

/** A repository with one commit that holds nothing, made if it is not there. Safe to repeat after a kill. */
export function emptyRepository(git: Git, path: string): Promise<void> {
  return git.exclusive(path, async () => {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await git.run(path, ['init', '--quiet', `--initial-branch=${BRANCH}`]);
    if ((await commitOf(git, path, 'HEAD')) !== null) return;
    const tree = await git.read(path, ['hash-object', '-w', '-t', 'tree', '--stdin'], { stdin: '' });
    const commit = await commitTree(git, path, { tree, parents: [], message: 'Empty\n', author: { name: 'Gantry' } });
    await git.run(path, ['update-ref', branchRef(BRANCH), commit]);
  });
}
