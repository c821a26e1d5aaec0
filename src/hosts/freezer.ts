import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Where the two versions of control groups are mounted, which lines of /proc/<pid>/cgroup they have, and their words. */
const VERSIONS = [
  {
    ...{ root: '/sys/fs/cgroup/freezer', group: /^\d+:freezer:(.*)$/m },
    // What was asked of this group, not of one above it.
    ...{ asked: 'freezer.self_freezing', told: 'freezer.state', frozen: 'FROZEN', thawed: 'THAWED' },
  },
  {
    ...{ root: '/sys/fs/cgroup', group: /^0::(.*)$/m },
    ...{ asked: 'cgroup.freeze', told: 'cgroup.freeze', frozen: '1', thawed: '0' },
  },
] as const;

/**
 * Makes the kernel freeze or thaw the control group that a process is in, whatever its container engine says of it: an engine
 * that was cut off in the middle of a freeze holds the container for running and refuses to thaw it, and (version 1) no
 * signal reaches what is frozen. Does nothing where the group cannot be seen. `container`: the id that the group must be of,
 * where an engine has told the process: it may be of another machine, or another process by now.
 */
export async function setGroupFrozen(pid: number, isFrozen: boolean, container = ''): Promise<void> {
  const lines = await contentOf(`/proc/${pid}/cgroup`);
  const ours = await contentOf('/proc/self/cgroup');
  for (const { root, group, asked, told, frozen, thawed } of VERSIONS) {
    const path = group.exec(lines)?.[1];
    // Who shares a group with Gantry is in none of its own.
    if (path === undefined || path === group.exec(ours)?.[1] || !path.includes(container)) continue;
    const own = join(root, path);
    const standing = await frozenGroups(own, root, asked);
    if (!isFrozen) for (const each of standing) await write(join(each, told), thawed);
    else if (standing.length === 0) await write(join(own, told), frozen);
  }
}

/** Of a group and those above it. */
async function frozenGroups(own: string, root: string, asked: string): Promise<string[]> {
  const found: string[] = [];
  for (let each = own; each.startsWith(`${root}/`); each = dirname(each)) {
    if ((await contentOf(join(each, asked))).trim() === '1') found.push(each);
  }
  return found;
}

async function write(path: string, word: string): Promise<void> {
  try {
    await writeFile(path, word, { flag: 'r+' });
  } catch (error) {
    ignoreUnseen(error);
  }
}

async function contentOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    ignoreUnseen(error);
    return '';
  }
}

/** The process or its group is gone, or not ours to see. */
function ignoreUnseen(error: unknown): void {
  const { code } = error as NodeJS.ErrnoException;
  if (!['ENOENT', 'ENODEV', 'ESRCH', 'EACCES', 'EPERM', 'EROFS'].includes(code ?? '')) throw error;
}
