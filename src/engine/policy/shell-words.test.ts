import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readLine } from './shell-words.ts';

const wordsOf = (line: string): string[][] => readLine(line).commands.map(({ words }) => words.map((w) => w.text));

/** The words of every command `x` that a real shell runs of a line. File names are not expanded. */
function realCommands(line: string): string[][] {
  const x = `x() { printf '%s\\0' x "$@" \x01 >&3; }`;
  const script = `${x}\nexec 3>&1 >/dev/null 2>/dev/null </dev/null\n${line}\nwait\n`;
  // A tilde stays a tilde; nothing but shell built-ins can be run.
  const env = { PATH: '/nonexistent', HOME: '~' };
  const { stdout } = spawnSync('/bin/sh', ['-fc', script], { env, encoding: 'utf8', cwd: tmpdir() });
  return stdout
    .split('\x01\0')
    .slice(0, -1)
    .map((command) => command.split('\0').slice(0, -1));
}

test('every command that a real shell runs of a plain line is found, word by word', () => {
  const signs = [...` xa'";|&#\\$<>(){}!=*~,1`, '\n', '\\\n'];
  const pieces = [
    'x ',
    'x ',
    '&&',
    '2>&1',
    ' >/dev/null ',
    '&>',
    '>&',
    '<<E',
    "$'",
    '$(',
    '`',
    'if ',
    'then ',
    'fi',
    '{ ',
    '; }',
  ];
  let checked = 0;
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...signs, ...pieces), { maxLength: 14 }), (list) => {
      const line = `x ${list.join('')}`;
      const { isPlain, commands } = readLine(line);
      // `$$` and `$#` are kept as they are written.
      if (!isPlain || /\$[$#]/.test(line)) return;
      checked += 1;
      const found = commands.map(({ words }) => words.map((w) => w.text));
      const bare = found.map((words) => words.slice(words.findIndex((w) => w !== '!' && !w.includes('='))));
      for (const words of realCommands(line)) expect(bare, line).toContainEqual(words);
    }),
    { numRuns: 1_000 },
  );
  expect(checked).toBeGreaterThan(100);
});

test.each<[string, string[][], boolean]>([
  ['a b;c', [['a', 'b'], ['c']], true],
  ['a 2>/dev/null b', [['a', 'b']], true],
  ['a 2 >/dev/null', [['a', '2']], true],
  ['a >&2 2>&-', [['a']], true],
  ['a > x', [['a']], false],
  ['a >& x', [['a']], false],
  ['a &> x', [['a']], false],
  ['a >', [['a']], false],
  ['a <<E\nb c\nE\nd', [['a'], ['d']], false],
  ['a "b', [['a', 'b']], false],
  ["a 'b", [['a', 'b']], false],
  ['a \\', [['a']], false],
  [
    'a $(b c) d',
    [
      ['a', 'd'],
      ['b', 'c'],
    ],
    false,
  ],
  [
    'a "$(b c)"',
    [
      ['a', ''],
      ['b', 'c'],
    ],
    false,
  ],
  ['a $? "$#" $', [['a', '$?', '$#', '$']], true],
  ['a $\\\nb', [['a', 'b']], false],
  ['a $[1]', [['a', '$[1]']], false],
  ['a {b,c}', [['a', 'b', 'c']], false],
  ['a {} b', [['a', '{}', 'b']], true],
  ['if a; then b; fi', [['a'], ['b'], []], false],
  ['a\r', [['a\r']], false],
  ['a "b"*', [['a', 'b*']], true],
  ['a "b c"*', [['a', 'b c*']], false],
])('%j', (line, words, isPlain) => {
  expect(wordsOf(line)).toEqual(words);
  expect(readLine(line).isPlain).toBe(isPlain);
});

test.each([
  ['open substitutions', '$('],
  ['back-ticks', '`'],
  ['quotes', '"\''],
  ['here-documents', 'a <<E\n'],
  ['braces', '{a,'],
  ['variables', '${'],
])('reads 200,000 characters of %s in time that grows with their number', (_, piece) => {
  expect(readLine(piece.repeat(200_000 / piece.length)).isPlain).toBe(false);
});
