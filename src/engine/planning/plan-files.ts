import { posix } from 'node:path';
import type { ProjectContext } from './project-context.ts';

const MAX_PATH = 1_024;
const MAX_FILES_NAMED = 50;

/** A path relative to the project, or why it is none. */
export type CheckedPath = { readonly path: string } | { readonly problem: string };

/** Makes a path of a plan relative to the project. `dir/*.ts` stands for the directory: a claim covers what is below it. */
export function insideProject(written: string, roots: readonly string[]): CheckedPath {
  const text = written.trim();
  if (text === '') return { problem: 'is empty' };
  if (text.length > MAX_PATH) return { problem: `is longer than ${MAX_PATH} characters` };
  if (/\p{Cc}/u.test(text)) return { problem: 'holds control characters' };
  if (text.split('/').includes('..')) return { problem: 'holds ".."' };
  if (text.startsWith('~')) return { problem: 'is outside of the project' };
  const relative = relativeTo(posix.normalize(text), roots);
  if (relative === null) return { problem: 'is outside of the project' };
  const segments = relative.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.some((segment) => segment.toLowerCase() === '.git')) return { problem: 'is in .git' };
  const star = segments.findIndex((segment) => segment.includes('*'));
  const path = (star < 0 ? segments : segments.slice(0, star)).join('/');
  return path === '' ? { problem: 'names no file' } : { path };
}

function relativeTo(path: string, roots: readonly string[]): string | null {
  if (!path.startsWith('/')) return path;
  const root = roots.find((r) => path === r || path.startsWith(r.endsWith('/') ? r : `${r}/`));
  return root === undefined ? null : path.slice(root.length);
}

/** Files that a request names: tokens that look like a path or are a known file, inside of the project, in order, once. */
export function filesNamed(request: string, context: ProjectContext): string[] {
  const found = new Set<string>();
  for (const [word] of request.matchAll(/\S+/g)) {
    if (found.size >= MAX_FILES_NAMED) break;
    const token = bare(word);
    if (token === null) continue;
    const checked = insideProject(token, context.roots);
    if ('path' in checked && (looksLikeFile(token) || isKnown(checked.path, context))) found.add(checked.path);
  }
  return [...found];
}

/** A word without quotes, brackets, back-ticks and end punctuation; null for a URL, an address, a call. */
function bare(word: string): string | null {
  if (word.length > MAX_PATH || /:\/\/|^www\.|\(\)/i.test(word)) return null;
  let start = 0;
  let end = word.length;
  while (start < end && `'"\`([{<“”‘’«»`.includes(word.charAt(start))) start += 1;
  while (end > start && `'"\`)]}>“”‘’«»,;:.!?…`.includes(word.charAt(end - 1))) end -= 1;
  const token = word.slice(start, end);
  return token === '' || /^[^/]+@[^/]+$/.test(token) ? null : token;
}

/** Has an extension that begins with a letter, is no abbreviation and no host name. */
function looksLikeFile(token: string): boolean {
  if (!/^[\p{L}\p{N}\p{M}_./@+~#$%=,[\]()-]+$/u.test(token)) return false;
  const name = token.slice(token.lastIndexOf('/') + 1);
  if (/^(e\.g|i\.e|[ap]\.m|etc\.\w+)$/i.test(name) || /\.(com|org|net)$/i.test(token)) return false;
  return /^\.?[^.].*\.[a-z][a-z0-9_-]{0,11}$/i.test(name) || /^\.[a-z][\w-]+$/i.test(name);
}

const isKnown = (path: string, { files, entries }: ProjectContext): boolean =>
  files.has(path) || (path.includes('/') && entries.includes(`${path.slice(0, path.indexOf('/'))}/`));
