import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { commandPatterns } from './policy.ts';

describe('commandPatterns', () => {
  test.each<[string, readonly string[]]>([
    ['echo one; ls', ['echo one', 'ls']],
    ['a && b || c | d & e\nf', ['a', 'b', 'c', 'd', 'e', 'f']],
    ['grep  "a b"\t\'c;d\' e\\ f', ["grep 'a b' 'c;d' 'e f'"]],
    ["echo 'it'\\''s'", ["echo 'it'\\''s'"]],
    ['ls *.ts "*.js"', ["ls *.ts '*.js'"]],
    ['npm test 2>&1 >/dev/null', ['npm test']],
    ['time CI=1 npm test', ['npm test']],
    ['ls; ls', ['ls']],
    ['echo $X; ls', ['echo $X; ls']],
    ['echo > x; ls', ['echo > x; ls']],
    ['# nothing', ['# nothing']],
  ])('%j', (line, patterns) => {
    expect(commandPatterns(line)).toEqual(patterns);
  });

  test('of a pattern is that pattern', () => {
    const text = fc.array(
      fc.constantFrom(
        ...`ab ';"\\$*?[]{}()<>|&#!~=,.\n\t\`/0-`,
        'git',
        'push',
        'sh -c ',
        '$(',
        '2>&1',
        'time ',
        'CI=1 ',
      ),
      { maxLength: 25 },
    );
    fc.assert(
      fc.property(
        text.map((parts) => parts.join('')),
        (line) => {
          for (const pattern of commandPatterns(line)) expect(commandPatterns(pattern)).toEqual([pattern]);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
