import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The dashboard's own Vite: `npm start` installs it, and not the development packages. */
export const { build } = await import(pathToFileURL(join(root, 'ui/node_modules/vite/dist/node/index.js')).href);
