import { describe, expect, test } from 'vitest';
import { editCalls, subCommands } from './tools.ts';

describe('the parts of a shell line', () => {
  test.each([
    ['ls', ['ls']],
    ['echo one; ls -l && pwd || true | wc', ['echo one', 'ls -l', 'pwd', 'true', 'wc']],
    ["git commit -m 'a; b && c'", ["git commit -m 'a; b && c'"]],
    ['echo "x | y" > f', ['echo "x | y" > f']],
    ['make 2>&1 | tail', ['make 2>&1', 'tail']],
    ['sleep 1 &', ['sleep 1']],
    ['a\nb', ['a', 'b']],
    ['echo a\\;b', ['echo a\\;b']],
  ])('%j', (line, parts) => {
    expect(subCommands(line)).toEqual(parts);
  });
});

test('a change outside the directory needs two permissions', () => {
  const here = { directory: '/w/here', env: {} };
  expect(editCalls('in/it', 'x', here).map((call) => [call.tool, call.patterns])).toEqual([['edit', ['in/it']]]);
  expect(editCalls('../out', 'x', here).map((call) => [call.tool, call.patterns])).toEqual([
    ['external_directory', ['/w/out']],
    ['edit', ['/w/out']],
  ]);
});
