import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

type Installed = { readonly isInstalled: (folder: string, options: { readonly dev: boolean }) => boolean };
const { isInstalled } = (await import(new URL('../../scripts/installed.mjs', import.meta.url).href)) as Installed;

type Entry = { version: string; dev?: boolean; optional?: boolean; os?: string[]; cpu?: string[]; integrity?: string };
const product: Entry = { version: '1.0.0', integrity: 'sha512-a' };
const tool: Entry = { version: '2.0.0', dev: true };
const foreign: Entry = { version: '3.0.0', optional: true, os: ['plan9'] };
const ours: Entry = { version: '3.0.0', optional: true, os: [process.platform], cpu: [process.arch] };
const itsOwn: Entry = { version: '4.0.0', optional: true };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-installed-'));
});
afterEach(() => rm(folder, { recursive: true }));

const put = async (file: string, content: unknown): Promise<void> => {
  await mkdir(dirname(join(folder, file)), { recursive: true });
  await writeFile(join(folder, file), JSON.stringify(content));
};
const lock = (packages: Record<string, Entry>) => ({
  packages: Object.fromEntries([['', {}], ...Object.entries(packages).map(([name, e]) => [`node_modules/${name}`, e])]),
});
/** What the lockfile wants, what npm says that it put there, and what is there. */
async function place(wanted: Record<string, Entry>, present: Record<string, Entry> | null): Promise<void> {
  await put('package-lock.json', lock(wanted));
  if (present) await put('node_modules/.package-lock.json', lock(present));
  for (const name of Object.keys(present ?? {})) await put(`node_modules/${name}/package.json`, {});
}

test.each([
  ['nothing is installed', { product }, null, false, false],
  ['all is there', { product, tool }, { product, tool }, true, true],
  ['development packages were left out', { product, tool }, { product }, false, true],
  ['another version is there', { product }, { product: { ...product, version: '1.0.1' } }, false, false],
  ['another content is there', { product }, { product: { ...product, integrity: 'sha512-b' } }, false, false],
  ['what is not for this machine is missing', { product, foreign, itsOwn }, { product }, true, true],
  ['what is for this machine is missing', { product, ours }, { product }, false, false],
])('%s', async (_what, wanted, present, forTests, forStart) => {
  await place(wanted, present);
  expect(isInstalled(folder, { dev: true })).toBe(forTests);
  expect(isInstalled(folder, { dev: false })).toBe(forStart);
});

test('a package whose files were removed is not there', async () => {
  await place({ product }, { product });
  await rm(join(folder, 'node_modules', 'product'), { recursive: true });
  expect(isInstalled(folder, { dev: false })).toBe(false);
});
