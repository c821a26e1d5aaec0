import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { projectContext } from './project-context.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gantry-context-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  }
}

test('names entries, languages, test commands and the beginning of the README', async () => {
  await write({
    'README.md': '# Shop\nSells things.\n',
    'package.json': '{"scripts":{"test":"vitest"}}',
    Makefile: 'build:\n\ttrue\ntest: build\n\ttrue\n',
    'src/a.ts': '',
    'src/deep/b.ts': '',
    'src/deep/er/c.ts': '',
    'main.go': '',
    'go.mod': '',
    'node_modules/x/index.js': '',
  });
  expect(await projectContext(dir)).toEqual({
    roots: expect.arrayContaining([dir]),
    entries: ['Makefile', 'README.md', 'go.mod', 'main.go', 'node_modules/', 'package.json', 'src/'],
    files: new Set(['Makefile', 'README.md', 'go.mod', 'main.go', 'package.json', 'src/a.ts', 'src/deep/b.ts']),
    languages: [
      { name: 'TypeScript', files: 2 },
      { name: 'Go', files: 1 },
    ],
    testCommands: ['npm test', 'go test ./...', 'make test'],
    readme: '# Shop\nSells things.',
  });
});

test.each([
  ['{"scripts":{"test":"echo \\"Error: no test specified\\" && exit 1"}}', []],
  ['{"scripts":{}}', []],
  ['[]', []],
  ['{"scripts":', []],
  ['{"scripts":{"test":"node --test"}}', ['npm test']],
])('the manifest %s has the test commands %j', async (manifest, commands) => {
  await write({ 'package.json': manifest });
  expect((await projectContext(dir)).testCommands).toEqual(commands);
});

test('holds no secret: not in names, not in texts', async () => {
  const key = 'sk-abcdefghijklmnopqrstuvwx';
  const secrets = ['.env', '.env.local', 'id_rsa', 'server.pem', 'credentials.json', 'my-secrets.txt', '.npmrc'];
  await write({ 'README.md': `key ${key}`, ...Object.fromEntries(secrets.map((name) => [name, key])) });
  const context = await projectContext(dir);
  expect(context.entries).toEqual(['README.md']);
  expect(context.readme).toBe('key [redacted]');
});

test('is bounded, and follows no link', async () => {
  await write(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`d${i}/f.py`, ''])));
  await write({ 'README.md': '€'.repeat(5_000) });
  await symlink('/', join(dir, 'root'));
  const context = await projectContext(dir);
  expect(context.entries).toHaveLength(60);
  expect(context.files.size).toBeLessThanOrEqual(101);
  expect(context.readme).toMatch(/^€{600,682}$/);
});

test('knows both names of a directory behind a link', async () => {
  await write({ 'real/a.ts': '' });
  await symlink(join(dir, 'real'), join(dir, 'link'));
  const { roots, files } = await projectContext(join(dir, 'link'));
  expect(roots).toHaveLength(2);
  expect(roots[0]).toBe(join(dir, 'link'));
  expect([...files]).toEqual(['a.ts']);
});

test('of a directory that is not there is empty', async () => {
  expect(await projectContext(join(dir, 'gone'))).toMatchObject({ entries: [], languages: [], readme: null });
});
