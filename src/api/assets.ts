import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { AppError } from '../contract/errors.ts';

/** A file that a browser is given. `isImmutable`: its name changes with its content. */
export type Asset = { readonly content: Uint8Array<ArrayBuffer>; readonly type: string; readonly isImmutable: boolean };

/** Beside the sources what scripts/build-ui.mjs built; in the published package its own folder. */
const DASHBOARD = new URL(import.meta.url.endsWith('.ts') ? '../../ui/dist/' : '../ui/', import.meta.url);

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const read = (url: URL): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(url));

/** Of the login page and the API page, which are there without the dashboard. */
export const style = (): Asset => ({
  content: read(new URL('./style.css', import.meta.url)),
  type: 'text/css; charset=utf-8',
  isImmutable: false,
});

/** The page itself. @throws AppError not_found if it has not been built */
export function dashboardPage(): Asset {
  const page = new URL('index.html', DASHBOARD);
  if (!existsSync(page)) {
    throw new AppError('not_found', 'the dashboard has not been built: `npm start`, or `node scripts/build-ui.mjs`');
  }
  return { content: read(page), type: 'text/html; charset=utf-8', isImmutable: false };
}

/** A file of the dashboard by its name. Only names that are in the folder are read. @throws AppError not_found */
export function dashboardAsset(name: string): Asset {
  const folder = new URL('assets/', DASHBOARD);
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const type = TYPES[extname(name)];
  if (type === undefined || !names.includes(name)) throw new AppError('not_found', `there is no file /assets/${name}`);
  return { content: read(new URL(name, folder)), type, isImmutable: true };
}
