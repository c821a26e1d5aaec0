import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';

export type Asset = { readonly path: string; readonly type: string; readonly read: () => string };

const file = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');

/** For the login page too, which is open. */
export const STYLE: Asset = {
  path: '/assets/style.css',
  type: 'text/css; charset=utf-8',
  read: () => file('./page/style.css'),
};

/** The files of the status page. `fold` is the contract's own: it imports types alone, so it is a module of its own. */
export const ASSETS: readonly Asset[] = [
  { path: '/', type: 'text/html; charset=utf-8', read: () => file('./page/index.html') },
  { path: '/assets/page.js', type: 'text/javascript; charset=utf-8', read: () => file('./page/page.js') },
  { path: '/assets/fold.js', type: 'text/javascript; charset=utf-8', read: foldModule },
];

function foldModule(): string {
  // From source the types are taken out here, as Node itself does; the built package holds JavaScript.
  return import.meta.url.endsWith('.ts')
    ? stripTypeScriptTypes(file('../contract/fold.ts'))
    : file('../contract/fold.js');
}
