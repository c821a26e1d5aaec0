import { runInNewContext } from 'node:vm';
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
  ['"(Well," **it said:** (“really?!”)', 'Well, it said: really?'],
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

test.each([
  ['opening signs', `${'*_('.repeat(300_000)} end`, ''],
  ['closing signs within a word', `x${'_'.repeat(19_000)}y end`, 'end'],
  ['ends of sentences within a word', `x${'.'.repeat(19_000)}y end`, 'end'],
  ['closing signs and ends', `x${'_.'.repeat(9_000)}y end`, 'end'],
  ['beginnings of links', `${'[a]('.repeat(4_000)} end`, 'end'],
  ['beginnings of code', `${'`'.repeat(18_001)} end`, 'end'],
])('reads a long text of %s in time that grows with its length', (_, text, said) => {
  const work = () => plainWords(text, 200);
  // Linear, it takes a moment; where the time grows with the cube of the length, hours.
  expect(runInNewContext('work()', { work }, { timeout: 60_000 })).toBe(said);
});
