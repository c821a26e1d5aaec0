import { describe, expect, it } from 'vitest';
import { AppError } from '../contract/errors.ts';
import { listEdit } from './jsonc-edit.ts';

const isOurs = (item: unknown): boolean => JSON.stringify(item).includes('gantry');
const edit = listEdit([{ path: ['plugin'], item: ['file:///gantry.js', { home: '/h' }] }], isOurs, 'f');
const nested = listEdit(
  ['Stop', 'Start'].map((event) => ({ path: ['hooks', event], item: { command: 'gantry' } })),
  isOurs,
  'f',
);

describe('a list in a person’s JSON file', () => {
  it.each([
    ['{}\n'],
    ['{\n  // mine\n  "theme": "dark", // too\n}\n'],
    ['{\n\t"a": 1,\n\t"plugin": [\n\t\t"other" // why\n\t]\n}\n'],
    ['{ "plugin": ["one", ["two", {"x": 1}]] }'],
    ['{\r\n  "a": 1\r\n}\r\n'],
  ])('%j gets our item and loses it again, and keeps every comment', (text) => {
    const added = edit.add(text);
    expect(edit.isIn(text)).toBe(false);
    expect(edit.isIn(added)).toBe(true);
    for (const comment of text.match(/\/\/.*/g) ?? []) expect(added).toContain(comment);
    const removed = edit.remove(added);
    expect(edit.isIn(removed)).toBe(false);
    expect(removed.replaceAll(/[\s,]/g, '')).toBe(text.replaceAll(/[\s,]/g, ''));
  });

  it('a file that is not there begins empty', () => {
    expect(JSON.parse(nested.add(null))).toEqual({
      hooks: { Stop: [{ command: 'gantry' }], Start: [{ command: 'gantry' }] },
    });
    expect(JSON.parse(nested.remove(nested.add(null)))).toEqual({});
  });

  it('items of others stay when ours go, whatever was added since', () => {
    const text = nested.add('{"hooks":{"Stop":[{"command":"theirs"}]}}');
    const since = text.replace('"theirs"', '"theirs, changed"');
    expect(JSON.parse(nested.remove(since))).toEqual({ hooks: { Stop: [{ command: 'theirs, changed' }] } });
  });

  it.each(['{ "plugin": ', '[]', 'no', '{"plugin": {}}'])('%j is refused', (text) => {
    expect(() => edit.add(text)).toThrow(AppError);
  });
});
