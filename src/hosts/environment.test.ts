import { expect, test } from 'vitest';
import { buildEnvironment } from './environment.ts';

const parent = {
  PATH: '/bin',
  HOME: '/home/user',
  TERM: 'xterm',
  LANG: 'C.UTF-8',
  LC_TIME: 'C',
  TMPDIR: '/tmp',
  HTTPS_PROXY: 'http://proxy:1',
  no_proxy: 'localhost',
  NODE_EXTRA_CA_CERTS: '/ca.pem',
  OPENAI_API_KEY: 'key',
  GANTRY_TOKEN: 'token',
  GANTRY_SPAWN: 'outer',
  NODE_OPTIONS: '--inspect',
  LC: 'not a locale',
  UNSET: undefined,
};

test('only the listed names pass', () => {
  expect(Object.keys(buildEnvironment(parent, {})).sort()).toEqual(
    ['HOME', 'HTTPS_PROXY', 'LANG', 'LC_TIME', 'NODE_EXTRA_CA_CERTS', 'PATH', 'TERM', 'TMPDIR', 'no_proxy'].sort(),
  );
});

test('a role lets names through, and sets values that win', () => {
  const env = buildEnvironment(parent, {
    pass: ['OPENAI_API_KEY', 'UNSET', 'ABSENT'],
    extra: { HOME: '/private', A: '' },
  });
  expect(env).toMatchObject({ OPENAI_API_KEY: 'key', HOME: '/private', A: '' });
  expect(env).not.toHaveProperty('UNSET');
  expect(env).not.toHaveProperty('ABSENT');
});
