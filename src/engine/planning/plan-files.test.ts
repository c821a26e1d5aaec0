import { expect, test } from 'vitest';
import { filesNamed, insideProject } from './plan-files.ts';

const ROOTS = ['/srv/shop', '/private/srv/shop'];

test.each([
  ['src/a.ts', 'src/a.ts'],
  ['./src//a.ts', 'src/a.ts'],
  ['src/', 'src'],
  ['/srv/shop/src/a.ts', 'src/a.ts'],
  ['/private/srv/shop/a', 'a'],
  ['src/**/*.ts', 'src'],
  ['app/[id]/page.tsx', 'app/[id]/page.tsx'],
  ['.github/workflows/ci.yml', '.github/workflows/ci.yml'],
  ['.gitignore', '.gitignore'],
])('%s is %s in the project', (written, path) => {
  expect(insideProject(written, ROOTS)).toEqual({ path });
});

test.each([
  ['', /empty/],
  ['a/../b', /\.\./],
  ['..', /\.\./],
  ['/etc/passwd', /outside/],
  ['/srv/shopping/a', /outside/],
  ['~/.ssh/id_rsa', /outside/],
  ['.git/config', /\.git/],
  ['sub/.GIT/hooks/x', /\.git/],
  ['/srv/shop', /no file/],
  ['.', /no file/],
  ['*.ts', /no file/],
  ['a\nb', /control/],
  ['x'.repeat(2_000), /longer/],
])('%s is refused', (written, problem) => {
  expect(insideProject(written, ROOTS)).toEqual({ problem: expect.stringMatching(problem) });
});

test.each([
  ['Fix src/a.ts, then "docs/b.md" and `c.py`.', ['src/a.ts', 'docs/b.md', 'c.py']],
  ['Change (lib/x.test.ts) [y.json]; see z.yaml!', ['lib/x.test.ts', 'y.json', 'z.yaml']],
  ['again a.ts and a.ts, ./a.ts', ['a.ts']],
  ['the Makefile and src/cart, not the LICENSE or and/or', ['Makefile', 'src/cart']],
  ['/srv/shop/a.go but not /etc/hosts.conf or ../b.go or .git/hooks.d', ['a.go']],
  ['see https://example.org/x.html, www.x.dev/a.js, me@example.org', []],
  ['version 1.2.3 is e.g. fine, i.e. call foo.bar() at example.com', []],
  ['hide .env.local and .gitignore', ['.env.local', '.gitignore']],
  ['größe.txt und 日本.md', ['größe.txt', '日本.md']],
])('files of a request: %s', (request, files) => {
  const context = { entries: ['src/'], files: new Set(['Makefile', 'README.md']), languages: [], testCommands: [] };
  expect(filesNamed(request, { ...context, roots: ROOTS, readme: null })).toEqual(files);
});
