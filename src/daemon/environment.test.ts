import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { connectionFrom, homeFrom } from './environment.ts';

test.each([
  [{ GANTRY_HOME: '/g', XDG_DATA_HOME: '/x', HOME: '/h' }, '/g'],
  [{ GANTRY_HOME: 'g', HOME: '/h' }, resolve('g')],
  [{ GANTRY_HOME: '', XDG_DATA_HOME: '/x', HOME: '/h' }, '/x/gantry'],
  [{ XDG_DATA_HOME: 'relative', HOME: '/h' }, '/h/.local/share/gantry'],
  [{ HOME: '/h' }, '/h/.local/share/gantry'],
])('the home of %j is %s', (environment, home) => {
  expect(homeFrom(environment)).toBe(home);
});

test('an empty address or token is none', () => {
  expect(connectionFrom({ GANTRY_URL: '', GANTRY_TOKEN: 't' })).toEqual({ token: 't' });
});
