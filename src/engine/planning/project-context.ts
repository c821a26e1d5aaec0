import type { Dirent } from 'node:fs';
import { open, readdir, realpath } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { z } from 'zod';
import { redact } from '../../base/redact.ts';

/** What the planner is told of a project, all of it bounded and masked. */
export type ProjectContext = {
  /** The project's absolute path, as given and with links followed. */
  readonly roots: readonly string[];
  /** Names at the top, directories with a slash at the end. */
  readonly entries: readonly string[];
  /** Known files, relative to the project: what the bounded walk saw. */
  readonly files: ReadonlySet<string>;
  /** Most files first. */
  readonly languages: readonly { readonly name: string; readonly files: number }[];
  readonly testCommands: readonly string[];
  /** The first lines of the README. */
  readonly readme: string | null;
};

const MAX_ENTRIES = 60;
const MAX_FILES = 2_000;
const MAX_DIRECTORIES = 100;
const MAX_README_BYTES = 2_048;
const MAX_MANIFEST_BYTES = 256 * 1024;

/** Directories that say nothing of the project's own work. */
const SKIPPED = new Set(['.git', 'node_modules', 'vendor', 'dist', 'build', 'target', '__pycache__', '.venv', 'venv']);

/** Files that hold secrets by their name: neither listed nor read. */
const SECRET_FILE =
  /^(\.env(\..*)?|\.netrc|\.npmrc|\.pypirc|id_(rsa|dsa|ecdsa|ed25519)(\..*)?|.*\.(pem|key|p12|pfx|jks|keystore|kdbx)|.*(credential|secret).*)$/i;

const LANGUAGES: Readonly<Record<string, string>> = {
  '.c': 'C',
  '.cc': 'C++',
  '.cpp': 'C++',
  '.cs': 'C#',
  '.css': 'CSS',
  '.dart': 'Dart',
  '.ex': 'Elixir',
  '.go': 'Go',
  '.html': 'HTML',
  '.java': 'Java',
  '.js': 'JavaScript',
  '.jsx': 'JavaScript',
  '.kt': 'Kotlin',
  '.lua': 'Lua',
  '.mjs': 'JavaScript',
  '.php': 'PHP',
  '.py': 'Python',
  '.rb': 'Ruby',
  '.rs': 'Rust',
  '.scala': 'Scala',
  '.sh': 'Shell',
  '.sql': 'SQL',
  '.svelte': 'Svelte',
  '.swift': 'Swift',
  '.tf': 'Terraform',
  '.ts': 'TypeScript',
  '.tsx': 'TypeScript',
  '.vue': 'Vue',
  '.zig': 'Zig',
};

const isSecretFile = (name: string): boolean => SECRET_FILE.test(name);

/** Reads what a planner should know of a directory; what cannot be read is left out, never an error. */
export async function projectContext(dir: string): Promise<ProjectContext> {
  const given = resolve(dir);
  const root = await realpath(given).catch(ifUnreadable(given));
  const top = await list(root);
  const files = await walk(root, top);
  return {
    roots: [...new Set([given, root])],
    entries: top.slice(0, MAX_ENTRIES).map((entry) => redact(entry.isDirectory() ? `${entry.name}/` : entry.name)),
    files: new Set(files),
    languages: languagesOf(files),
    testCommands: await testCommands(root, new Set(top.map((entry) => entry.name))),
    readme: await readme(root, top),
  };
}

/** A directory's entries in the order of their names, without secrets. */
async function list(dir: string): Promise<Dirent[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(ifUnreadable<Dirent[]>([]));
  return entries
    .filter((entry) => entry.name !== '.git' && !isSecretFile(entry.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Files at the top and in the directories of the first two levels. Links are not followed. */
async function walk(root: string, top: readonly Dirent[]): Promise<string[]> {
  const files: string[] = [];
  const directories: { path: string; depth: number }[] = [];
  const take = (entries: readonly Dirent[], prefix: string, depth: number): void => {
    for (const entry of entries) {
      if (entry.isFile() && files.length < MAX_FILES) files.push(`${prefix}${entry.name}`);
      if (entry.isDirectory() && depth < 2 && !SKIPPED.has(entry.name) && directories.length < MAX_DIRECTORIES) {
        directories.push({ path: `${prefix}${entry.name}/`, depth: depth + 1 });
      }
    }
  };
  take(top, '', 0);
  // The list grows while it is read: breadth first.
  for (const { path, depth } of directories) take(await list(join(root, path)), path, depth);
  return files;
}

function languagesOf(files: readonly string[]): ProjectContext['languages'] {
  const counts = new Map<string, number>();
  for (const file of files) {
    const name = LANGUAGES[extname(file).toLowerCase()];
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts]
    .map(([name, count]) => ({ name, files: count }))
    .sort((a, b) => b.files - a.files || (a.name < b.name ? -1 : 1))
    .slice(0, 8);
}

const Manifest = z.object({ scripts: z.record(z.string(), z.unknown()) });

/** What would run the tests, by the files that tools leave at the top. */
async function testCommands(root: string, names: ReadonlySet<string>): Promise<string[]> {
  const found: string[] = [];
  if (names.has('package.json') && hasTestScript(await head(join(root, 'package.json'), MAX_MANIFEST_BYTES))) {
    found.push('npm test');
  }
  if (['pyproject.toml', 'pytest.ini', 'tox.ini', 'setup.cfg'].some((name) => names.has(name))) found.push('pytest');
  if (names.has('go.mod')) found.push('go test ./...');
  if (names.has('Cargo.toml')) found.push('cargo test');
  if (names.has('Makefile')) {
    const makefile = await head(join(root, 'Makefile'), MAX_MANIFEST_BYTES);
    found.push(
      ...['test', 'check']
        .filter((goal) => new RegExp(`^${goal}\\s*:`, 'm').test(makefile))
        .map((goal) => `make ${goal}`),
    );
  }
  return found;
}

function hasTestScript(text: string): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
  const test = Manifest.safeParse(value).data?.scripts.test;
  // npm init's own script only fails.
  return typeof test === 'string' && !test.includes('no test specified');
}

async function readme(root: string, top: readonly Dirent[]): Promise<string | null> {
  const entry = top.find(({ name }) => /^readme(\.(md|rst|txt|adoc))?$/i.test(name));
  if (!entry?.isFile()) return null;
  const text = (await head(join(root, basename(entry.name)), MAX_README_BYTES)).trim();
  return text === '' ? null : redact(text);
}

/** The beginning of a file as text; empty if it cannot be read. */
async function head(path: string, maxBytes: number): Promise<string> {
  const file = await open(path, 'r').catch(ifUnreadable(null));
  if (!file) return '';
  await using owned = file;
  const { bytesRead, buffer } = await owned
    .read(Buffer.alloc(maxBytes), 0, maxBytes, 0)
    .catch(ifUnreadable({ bytesRead: 0, buffer: Buffer.alloc(0) }));
  // A character that the cut went through is left out.
  return new TextDecoder().decode(buffer.subarray(0, bytesRead), { stream: true });
}

/** Gone, forbidden, not a directory: facts of a user's disk, and the planner can do without. */
const ifUnreadable =
  <T>(instead: T) =>
  (error: unknown): T => {
    if (error instanceof Error && 'code' in error && typeof error.code === 'string') return instead;
    throw error;
  };
