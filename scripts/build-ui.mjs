// Builds the dashboard into ui/dist, if it is not there or its sources are newer. With a folder, builds it into that one.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildOnce } from './build-once.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ui = join(root, 'ui');
/** What the page is made from. */
const sources = ['ui', 'src/contract', 'src/client', 'scripts/build-ui.mjs'].map((path) => join(root, path));

const given = process.argv[2];
if (given === undefined) await buildOnce(join(ui, 'dist'), { sources, mark: 'index.html', build });
else await build(given);

async function build(outDir) {
  const { build: buildPage } = await import('./vite.mjs');
  await buildPage({ root: ui, logLevel: 'warn', build: { outDir, emptyOutDir: true } });
}
