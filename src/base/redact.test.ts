import { expect, it } from 'vitest';
import { redact } from './redact.ts';

it.each([
  ['a provider key', 'key sk-proj-abcdefghijklmnop1234 end', 'key [redacted] end'],
  ['a GitHub token', 'ghp_abcdefghijklmnopqrstuv', '[redacted]'],
  ['a JWT', 'session-eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc_-1', 'session-[redacted]'],
  ['a bearer header', 'Authorization: Bearer abcdefgh12345', 'Authorization: Bearer [redacted]'],
  ['user info in a URL', 'git clone https://me:hunter2@example.org/x', 'git clone https://[redacted]@example.org/x'],
  ['an assignment', 'OPENAI_API_KEY=abcdef npm start', 'OPENAI_API_KEY=[redacted] npm start'],
])('masks %s', (_, text, masked) => {
  expect(redact(text)).toBe(masked);
});

it('masks by the name of a key, at any depth, and leaves the rest as it is', () => {
  const value = { password: 'x', deep: [{ 'x-api-key': 'y', tokens: 3, text: 'plain' }], none: null };
  expect(redact(value)).toEqual({
    password: '[redacted]',
    deep: [{ 'x-api-key': '[redacted]', tokens: 3, text: 'plain' }],
    none: null,
  });
});

it('masks every text and number of a list under the name of a secret, and no other', () => {
  const headers = { 'set-cookie': ['sid=1', ['sid=2']], authorization: [7, null, true], accept: ['*/*', 7] };
  expect(redact({ headers, password: 123_456 })).toEqual({
    headers: {
      'set-cookie': ['[redacted]', ['[redacted]']],
      authorization: ['[redacted]', null, true],
      accept: ['*/*', 7],
    },
    password: '[redacted]',
  });
});

it.each([
  ['dots', 'a.'],
  ['token beginnings', 'eyJaaaaaaaa-'],
  ['dashes', 'AAAA-'],
  ['key beginnings', 'sk-aaa-aaa- '],
  ['URL beginnings', 'a://b:'],
])('reads a megabyte of %s in time that grows with its length', (_, part) => {
  const text = part.repeat(1_000_000 / part.length);
  expect(redact(`${text} Bearer abcdefgh12345`).endsWith('Bearer [redacted]')).toBe(true);
});
