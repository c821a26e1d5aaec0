import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
/** The modules that start a program of ours, by the place of its file beside their own. */
const STARTERS = ['daemon/spawn-daemon', 'backends/fake/command', 'hosts/walled', 'store/search/search'];

/** In tests those modules find the programs that were built before the run (`built.ts`), as in the package. */
export const startBuilt: Plugin = {
  name: 'start-built',
  enforce: 'pre',
  transform: (code, id) => {
    const module = relative(SRC, id).replace(/\.ts$/, '');
    if (!STARTERS.includes(module)) return null;
    return code.replaceAll(
      'import.meta.url',
      `new URL('${'../'.repeat(module.split('/').length)}dist-test/${module}.js', import.meta.url).href`,
    );
  },
};
