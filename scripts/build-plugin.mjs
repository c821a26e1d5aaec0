// Bundles the OpenCode plugin into one file that needs nothing beside it. `node scripts/build-plugin.mjs FILE` is how the
// sources make it on demand.
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './vite.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

export async function buildPlugin(file) {
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    ssr: { noExternal: true },
    build: {
      ssr: true,
      outDir: dirname(file),
      emptyOutDir: false,
      copyPublicDir: false,
      // OpenCode 1.x runs it on Bun.
      target: 'es2022',
      minify: false,
      rolldownOptions: {
        input: join(root, 'src', 'plugin', 'opencode.ts'),
        output: { entryFileNames: basename(file), codeSplitting: false },
      },
    },
  });
}

const [, called = '', file] = process.argv;
if (called === fileURLToPath(import.meta.url) && file !== undefined) await buildPlugin(file);
