import { createHash } from 'node:crypto';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** A process that belongs to a test, and the ports that it listens on. */
export type Leftover = { readonly pid: number; readonly command: string; readonly ports: readonly number[] };

/**
 * The living processes (this one apart) whose environment, arguments or working directory name `path`, as everything does
 * that is started for a test in its own directory. Linux only: elsewhere null, for "cannot be known".
 */
export async function leftovers(path: string): Promise<readonly Leftover[] | null> {
  if (process.platform !== 'linux') return null;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const found = await Promise.all(
    pids.map(async (pid): Promise<Omit<Leftover, 'ports'> | null> => {
      const [environment, command, directory] = await Promise.all([
        text(`/proc/${pid}/environ`),
        text(`/proc/${pid}/cmdline`),
        readlink(`/proc/${pid}/cwd`).catch(() => ''),
      ]);
      // One that has given its memory back is about to be a zombie.
      if (command === '' || ![environment, command, directory].some((place) => place.includes(path))) return null;
      if (/^\d+ \(.*\) [ZX] /s.test(await text(`/proc/${pid}/stat`))) return null;
      return { pid: Number(pid), command: command.replaceAll('\0', ' ').trim() };
    }),
  );
  const living = found.filter((one) => one !== null);
  if (living.length === 0) return [];
  const listening = await listeningPorts();
  return await Promise.all(living.map(async (one) => ({ ...one, ports: await portsOf(one.pid, listening) })));
}

/** One hash over the names and contents of all files below a directory; '' if it does not exist. */
export async function hashOfTree(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => null);
  if (entries === null) return '';
  const hash = createHash('sha256');
  const paths = entries.map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }));
  for (const { entry, path } of paths.sort((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(`${path}\0`);
    if (entry.isFile()) hash.update(await readFile(path));
  }
  return hash.digest('hex');
}

/** Port by inode of its socket. */
async function listeningPorts(): Promise<ReadonlyMap<string, number>> {
  const LISTEN = '0A';
  const tables = await Promise.all([text('/proc/net/tcp'), text('/proc/net/tcp6')]);
  const rows = tables.flatMap((table) => table.split('\n').slice(1)).map((row) => row.trim().split(/\s+/));
  return new Map(
    rows
      .filter((row) => row[3] === LISTEN)
      .map((row) => [row[9] ?? '', Number.parseInt(row[1]?.split(':')[1] ?? '0', 16)]),
  );
}

async function portsOf(pid: number, listening: ReadonlyMap<string, number>): Promise<number[]> {
  const handles = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const targets = await Promise.all(handles.map((handle) => readlink(`/proc/${pid}/fd/${handle}`).catch(() => '')));
  return targets.flatMap((target) => listening.get(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? '') ?? []);
}

/** '' for a process that has ended or is another user's. */
const text = (path: string): Promise<string> => readFile(path, 'latin1').catch(() => '');
