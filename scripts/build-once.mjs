import { existsSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Has `build` make the folder `target` if `mark`, a file in it, is not there or is older than the sources. It is built beside and
 * then put in place: whoever uses it meanwhile never finds half of it.
 */
export async function buildOnce(target, { sources, mark, build }) {
  const made = join(target, mark);
  const newest = Math.max(...sources.map(newestIn));
  if (existsSync(made) && statSync(made).mtimeMs >= newest) return;
  const fresh = `${target}.${process.pid}`;
  await build(fresh);
  // As old as the newest source that it was made from: a change made meanwhile is newer.
  utimesSync(join(fresh, mark), new Date(), new Date(Math.ceil(newest)));
  const old = `${fresh}.old`;
  if (existsSync(target)) renameSync(target, old);
  renameSync(fresh, target);
  rmSync(old, { recursive: true, force: true });
}

function newestIn(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  const names = readdirSync(path).filter((name) => name !== 'node_modules' && !name.startsWith('dist'));
  return Math.max(0, ...names.map((name) => newestIn(join(path, name))));
}
