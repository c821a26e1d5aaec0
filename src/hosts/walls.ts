import { mkdir, readFile, realpath, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { AppError } from '../contract/errors.ts';
import type { Access } from './host.ts';

/** What a walled-off program finds at a path; what is not named is not there, or is the system's own. */
export type Wall = { readonly path: string; readonly kind: 'empty' | 'readable' | 'writable' };

/** A program whose file was found. */
export type Found = {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly access?: Access;
};

/** Of the system, of this machine or an image: a program in there is the system's own. */
export const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt'];
const MODULES = '/node_modules';
/** Variables that name a file or directory of certificates. */
const CERTIFICATES = [
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'GIT_SSL_CAINFO',
];
/** Directories that a program expects to be able to write to; outside of its own they are empty and live in memory. */
const SCRATCH = ['HOME', 'TMPDIR', ...['CONFIG', 'DATA', 'CACHE', 'STATE'].map((name) => `XDG_${name}_HOME`)];
/** Of Gantry's branches, in a git directory: an agent's commits go there and nowhere else. */
const BRANCHES = ['refs/heads/gantry', 'logs/refs/heads/gantry'];
/** What in a worktree's git directory tells git where to look: whoever may change it may make Gantry's git run programs. */
const POINTERS = ['commondir', 'gitdir'];

/**
 * What the program gets to see, outer paths first: its directory and what it may write, its installation, what is on PATH,
 * certificates; of the repository what commits need. `hidden` (homes) is empty but for what of it is named.
 * @throws AppError `spawn_failed` if something is to be shown that holds a hidden place
 */
export async function wallsOf(found: Found, hidden: readonly string[]): Promise<readonly Wall[]> {
  const { cwd, env, access } = found;
  const writable = [...new Set([cwd, ...(access?.writable ?? [])])];
  const asked = await existing(access?.readable ?? []);
  const offered = (await Promise.all(installed(found).map(installationOf))).flat();
  const isOpen = (path: string): boolean => hidden.some((place) => isWithin(place, path));
  const tooMuch = [...writable, ...asked].find(isOpen);
  if (tooMuch !== undefined) {
    throw new AppError(
      'spawn_failed',
      `${tooMuch} cannot be shown to an isolated program: it holds ${hidden.find((place) => isWithin(place, tooMuch))}`,
    );
  }
  const readable = [
    ...asked,
    ...offered.filter((path) => !isOpen(path) && !SYSTEM.some((place) => isWithin(path, place))),
  ];
  const outside = (path: string): boolean => !writable.some((place) => isWithin(path, place));
  const scratch = SCRATCH.flatMap((name) => env[name] ?? []).filter((path) => isAbsolute(path) && path !== '/');
  const walls: Wall[] = [
    ...[...hidden, ...scratch].filter(outside).map((path) => ({ path, kind: 'empty' }) as const),
    ...readable.filter(outside).map((path) => ({ path, kind: 'readable' }) as const),
    ...writable.map((path) => ({ path, kind: 'writable' }) as const),
    ...(await Promise.all(writable.map(repositoryOf))).flat(),
  ];
  const strongest = new Map<string, Wall>();
  for (const wall of walls) strongest.set(wall.path, wall);
  return [...strongest.values()].sort((a, b) => depthOf(a.path) - depthOf(b.path));
}

/** Paths that belong to the program: itself, the script that it runs, what is on PATH, certificates. */
function installed({ command, env }: Found): string[] {
  const [program, script = ''] = command;
  const named = CERTIFICATES.flatMap((name) => env[name] ?? []);
  return [program, script, ...(env.PATH ?? '').split(delimiter), ...named].filter(isAbsolute);
}

/** A file or directory that is there, with all of the packages that it is one of. */
async function installationOf(path: string): Promise<string[]> {
  const real = await realPath(path);
  const found = await stat(real).catch(() => null);
  if (found === null) return [];
  const packages = [path, real].filter((each) => `${each}/`.includes(`${MODULES}/`));
  return [path, real, ...packages.map((each) => each.slice(0, `${each}/`.indexOf(`${MODULES}/`) + MODULES.length))];
}

/** Of a git worktree: its objects and Gantry's branches may grow, configuration, hooks and pointers stay as they are. */
async function repositoryOf(directory: string): Promise<readonly Wall[]> {
  const pointer = join(directory, '.git');
  const found = await stat(pointer).catch(() => null);
  if (found === null) return [];
  const readable = (path: string): Wall => ({ path, kind: 'readable' });
  const writable = (path: string): Wall => ({ path, kind: 'writable' });
  if (found.isDirectory())
    return (await existing(['config', 'hooks'].map((name) => join(pointer, name)))).map(readable);
  const [, named = ''] = /^gitdir: (.+)$/m.exec(await readFile(pointer, 'utf8')) ?? [];
  const own = resolve(directory, named);
  const common = resolve(own, (await readFile(join(own, 'commondir'), 'utf8')).trim());
  const branches = BRANCHES.map((name) => join(common, name));
  await Promise.all(branches.map((path) => mkdir(path, { recursive: true })));
  return [
    readable(pointer),
    readable(common),
    ...[own, join(common, 'objects'), ...branches].map(writable),
    ...(await existing([...POINTERS, 'config.worktree'].map((name) => join(own, name)))).map(readable),
  ];
}

async function existing(paths: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(paths.map((path) => stat(path).catch(() => null)));
  return paths.filter((_, i) => found[i] !== null);
}

/** Whether `path` is `place` or something in it. */
const isWithin = (path: string, place: string): boolean =>
  path === place || path.startsWith(place === '/' ? '/' : `${place}/`);

const depthOf = (path: string): number => path.split('/').filter((part) => part !== '').length;

const realPath = (path: string): Promise<string> => realpath(path).catch(() => path);
