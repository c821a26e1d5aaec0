// Builds dist/ from src/. The library (client and contract) as it is, with types; the programs bundled, which
// takes a third off the start of each (docs/decisions/0008); and the files that are not TypeScript.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { buildPlugin } from './build-plugin.mjs';
import { findNode } from './find-node.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const src = join(root, 'src');
const programs = ['cli/main', 'daemon/main', 'backends/fake/agent/main', 'process/relay', 'store/search/worker'];

rmSync(dist, { recursive: true, force: true });
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(findNode(root) ?? process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(1);

/** Wherever a module's code is now, it goes on looking for its files from where it was: one folder below dist. */
const keepPlace = {
  name: 'keep-place',
  transform(code, id) {
    if (!id.startsWith(src) || !code.includes('import.meta.url')) return null;
    const place = `../${relative(src, id).replace(/\.ts$/, '.js')}`;
    return code.replaceAll('import.meta.url', `new URL('${place}', import.meta.url).href`);
  },
};
/** One character beyond Latin-1 makes V8 keep the whole text of a file at two bytes a character. */
const onlyAscii = {
  name: 'only-ascii',
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== 'chunk') continue;
      chunk.code = chunk.code.replaceAll(
        /[\u0080-\uffff]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
    }
  },
};
await build({
  root,
  configFile: false,
  logLevel: 'warn',
  plugins: [keepPlace, onlyAscii],
  // Of the packages only Zod: a hundred files, of which most are languages that nobody reads here.
  ssr: { noExternal: ['zod'] },
  build: {
    ssr: true,
    outDir: dist,
    emptyOutDir: false,
    target: 'node24',
    minify: false,
    rolldownOptions: {
      input: Object.fromEntries(programs.map((name) => [name, join(src, `${name}.ts`)])),
      output: { entryFileNames: '[name].js', chunkFileNames: 'shared/[name]-[hash].js' },
    },
  },
});

await buildPlugin(join(dist, 'plugin', 'opencode.js'));

// Everything beside the code that the code reads at run time: migrations, scripts of the model, the API's style sheet.
for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name);
  if (!entry.isFile() || extname(file) === '.ts') continue;
  const target = join(dist, relative(src, file));
  mkdirSync(dirname(target), { recursive: true });
  cpSync(file, target);
}
const page = spawnSync(findNode(root) ?? process.execPath, [join(root, 'scripts', 'build-ui.mjs'), join(dist, 'ui')], {
  stdio: 'inherit',
});
if (page.status !== 0) process.exit(1);
cpSync(join(root, 'docs', 'config.schema.json'), join(dist, 'config.schema.json'));
chmodSync(join(dist, 'cli', 'main.js'), 0o755);
