import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plainWords } from './plain-words.ts';

test.each([
  ['Add a **bold** thing, please.', 'Add a bold thing, please.'],
  ['# Title\n\n- one\n- two', 'Title one two'],
  ['run `rm -rf /` now', 'run now'],
  ['before\n```sh\nrm -rf /\n```\nafter', 'before after'],
  ['unclosed ```sh rm -rf', 'unclosed'],
  ['edit src/main.ts and /etc/passwd, C:\\x too', 'edit and too'],
  ['see https://example.org/a?b=c and [the page](https://example.org)', 'see and the page'],
  ['key sk-proj-abcdefghijklmnop1234 is [redacted]', 'key is'],
  ['OPENAI_API_KEY=abcdef works', 'works'],
  ['commit 3f2a9c81d4e5 of 2026', 'commit of 2026'],
  ["it's 12 o'clock", "it's 12 o'clock"],
  ['Größe über alles: überprüfen!', 'Größe über alles: überprüfen!'],
  ['', ''],
])('%s', (text, said) => {
  expect(plainWords(text, 200)).toBe(said);
});

test('is cut between words', () => {
  expect(plainWords('one two three', 9)).toBe('one two');
});

test('says nothing but words, whatever it is given', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), fc.integer({ min: 0, max: 200 }), (text, max) => {
      const said = plainWords(text, max);
      expect(said.length).toBeLessThanOrEqual(max);
      expect(said).not.toMatch(/[/\\`<>{}[\]|=$#*_]/);
    }),
  );
});

test('reads a long text in time that grows with its length', () => {
  expect(plainWords(`${'*_('.repeat(300_000)} end`, 200)).toBe('');
});
