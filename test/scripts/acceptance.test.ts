import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

/** The rows of both tables "What shows what" in docs/testing.md: scenario, kinds, file, title. */
const rows = [
  ...read('../../docs/testing.md').matchAll(/^\| ([A-EMW]\d+) [^|]* \| [^|]+ \| `([^`]+)` \| ([^|]+) \|/gm),
].map(([, scenario = '', file = '', title = '']) => ({ scenario, file, title: title.trim() }));

/** The rows of its table for events: scenario, file, title. */
const eventRows = [
  ...read('../../docs/testing.md').matchAll(/^\| (S\d+)\b[^|]*\| `((?:src|test)\/[^`]+)` \| ([^|]+) \|[^|]*\|$/gm),
].map(([, scenario = '', file = '', title = '']) => ({ scenario, file, title: title.trim() }));

it('every scenario that is said to be shown has its test', () => {
  expect(new Set(rows.map(({ scenario }) => scenario)).size).toBeGreaterThanOrEqual(26 + 15 + 7);
  const gone = rows.filter(({ file, title }) => !read(`../scenarios/${file}`).includes(title));
  expect(gone).toEqual([]);
});

it('every scenario of events is shown, by tests that there are', () => {
  const scenarios = new Set(eventRows.map(({ scenario }) => scenario));
  expect([...scenarios]).toEqual(Array.from({ length: 18 }, (_, n) => `S${n + 1}`));
  expect(eventRows.length).toBeGreaterThan(30);
  const gone = eventRows.filter(({ file, title }) => !read(`../../${file}`).includes(title));
  expect(gone).toEqual([]);
});
