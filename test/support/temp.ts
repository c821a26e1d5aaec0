import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type TempDir = AsyncDisposable & { readonly path: string };

/** A directory of its own, by its real path; removed when it is disposed of. */
export async function tempDir(): Promise<TempDir> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'gantry-test-')));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** What a program needs to run, and nothing of this process's own: PATH, the given HOME, a locale. */
export function environmentFor(home: string): Readonly<Record<string, string>> {
  return { PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin', HOME: home, LANG: 'C.UTF-8' };
}

/** For a program that is TypeScript run by Node: its second start takes half the processor time. */
export const COMPILE_CACHE = {
  NODE_COMPILE_CACHE: fileURLToPath(new URL('../../node_modules/.cache/gantry-test', import.meta.url)),
} as const;
