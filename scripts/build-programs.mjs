// Builds the programs: bundled, which takes a third off the start of each (docs/decisions/0008), the plugin for OpenCode, and
// the files beside them that are not TypeScript. `node scripts/build-programs.mjs` builds those that the tests start, into
// dist-test, if they are not there or the sources are newer.
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { dirname, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { buildOnce } from './build-once.mjs';
import { buildPlugin } from './build-plugin.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const src = join(root, 'src');
const programs = ['cli/main', 'daemon/main', 'backends/fake/agent/main', 'process/relay', 'store/search/worker'];

/** Wherever a module's code is now, it goes on looking for its files from where it was: one folder below the target. */
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

export async function buildPrograms(target) {
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    plugins: [keepPlace, onlyAscii],
    // Of the packages only Zod: a hundred files, of which most are languages that nobody reads here.
    ssr: { noExternal: ['zod'] },
    build: {
      ssr: true,
      outDir: target,
      emptyOutDir: false,
      target: 'node24',
      minify: false,
      rolldownOptions: {
        input: Object.fromEntries(programs.map((name) => [name, join(src, `${name}.ts`)])),
        output: { entryFileNames: '[name].js', chunkFileNames: 'shared/[name]-[hash].js' },
      },
    },
  });
  await buildPlugin(join(target, 'plugin', 'opencode.js'));
  // Everything beside the code that the code reads at run time: migrations, scripts of the model, the API's style sheet.
  for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (!entry.isFile() || extname(file) === '.ts') continue;
    const copy = join(target, relative(src, file));
    mkdirSync(dirname(copy), { recursive: true });
    cpSync(file, copy);
  }
}

/** For the tests, beside the dashboard that is built for them. */
async function buildForTests(target) {
  await buildPrograms(target);
  symlinkSync(join('..', 'ui', 'dist'), join(target, 'ui'));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const sources = [src, join(root, 'scripts')];
  await buildOnce(join(root, 'dist-test'), { sources, mark: join('cli', 'main.js'), build: buildForTests });
}
