// Builds the dashboard into ui/dist, if it is not there or its sources are newer. With a folder, builds it into that one.
import { existsSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ui = join(root, 'ui');
/** What the page is made from. */
const SOURCES = ['ui', 'src/contract', 'src/client', 'scripts/build-ui.mjs'];

const given = process.argv[2];
if (given === undefined) await buildOnce(join(ui, 'dist'));
else await build(given);

async function buildOnce(target) {
  const page = join(target, 'index.html');
  const newest = Math.max(...SOURCES.map((source) => newestIn(join(root, source))));
  if (existsSync(page) && statSync(page).mtimeMs >= newest) return;
  // Built beside and then put in place: whoever serves the page meanwhile never finds half of it.
  const fresh = `${target}.${process.pid}`;
  await build(fresh);
  // As old as the newest source that it was made from: a change made meanwhile is newer.
  utimesSync(join(fresh, 'index.html'), new Date(), new Date(Math.ceil(newest)));
  const old = `${fresh}.old`;
  if (existsSync(target)) renameSync(target, old);
  renameSync(fresh, target);
  rmSync(old, { recursive: true, force: true });
}

async function build(outDir) {
  const { build: buildPage } = await import('./vite.mjs');
  await buildPage({ root: ui, logLevel: 'warn', build: { outDir, emptyOutDir: true } });
}

function newestIn(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  const names = readdirSync(path).filter((name) => name !== 'node_modules' && !name.startsWith('dist'));
  return Math.max(0, ...names.map((name) => newestIn(join(path, name))));
}
