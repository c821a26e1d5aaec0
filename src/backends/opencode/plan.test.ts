import { expect, test } from 'vitest';
import { openSpec, profileWith } from '../../../test/support/backend-session.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { BackendSettings } from '../../contract/config.ts';
import { localHost } from '../../hosts/local.ts';
import type { OpenSpec } from '../backend.ts';
import { fullConfig, type LaunchPlan, planOf } from './plan.ts';

const planWith = (settings: BackendSettings = {}, more: Partial<OpenSpec> = {}): LaunchPlan =>
  planOf(openSpec('/work/project', more), {
    id: 'opencode',
    settings,
    host: localHost,
    clock: systemClock,
    log: silentLog,
    book: { put: () => undefined, remove: () => undefined, list: () => [] },
    environment: { PATH: '/bin', HOME: '/home/user' },
    home: '/gantry/opencode',
  });
const project = { id: 'prj_000001', path: '/work/project', isTrusted: false };

test('sessions share a server if project, trust, permissions and settings are the same', () => {
  const { key } = planWith({}, { project });
  expect(planWith({}, { project, directory: '/work/other', env: { A: 'b' }, model: 'a/b', title: 'other' }).key).toBe(
    key,
  );
  const others = [
    planWith({}, { project: { ...project, id: 'prj_000002' } }),
    planWith({}, { project: { ...project, isTrusted: true } }),
    planWith({}, { project, profile: profileWith({ bash: 'ask' }) }),
    planWith({ config: { theme: 'dark' } }, { project }),
    planWith({ env: { A: 'b' } }, { project }),
    planWith({ profile: 'private' }, { project }),
    planWith({ command: ['/other/opencode'] }, { project }),
  ];
  expect(new Set([key, ...others.map((plan) => plan.key)]).size).toBe(others.length + 1);
});

test('every permission has a value, the one for all others first; the settings cannot loosen it', () => {
  const config = { permission: { bash: 'allow' }, share: 'auto', autoupdate: true, plugin: ['file:///theirs.mjs'] };
  const plan = planWith({ config }, { profile: profileWith({ bash: 'ask', '*': 'deny' }) });
  const full = fullConfig(plan, '/sessions');
  expect(Object.keys(full.permission as object)[0]).toBe('*');
  expect(full).toMatchObject({
    permission: {
      '*': 'deny',
      bash: 'ask',
      doom_loop: 'allow',
      external_directory: 'allow',
      question: 'allow',
      // What OpenCode asks by itself is not lifted.
      read: { '*': 'allow', '*.env': 'ask', '*.env.*': 'ask', '*.env.example': 'allow' },
    },
    share: 'disabled',
    autoupdate: false,
    snapshot: false,
  });
  const plugins = full.plugin as readonly unknown[];
  expect(plugins[0]).toBe('file:///theirs.mjs');
  expect(plugins[1]).toEqual([
    expect.stringMatching(/^file:\/\/\/gantry\/opencode\/plugin-\w+\.mjs$/),
    expect.anything(),
  ]);
});

test('the agent’s shell gets none of the secrets', () => {
  const { shell, env } = planWith({ env: { SOME_API_KEY: 'hush', GH_TOKEN: 'hush', LANGUAGE: 'de' } });
  expect(env).toMatchObject({ SOME_API_KEY: 'hush', GH_TOKEN: 'hush', LANGUAGE: 'de' });
  expect(shell).toMatchObject({
    SOME_API_KEY: '',
    GH_TOKEN: '',
    OPENCODE_SERVER_PASSWORD: '',
    OPENCODE_CONFIG_CONTENT: '',
  });
  expect(shell).not.toHaveProperty('LANGUAGE');
});

test('models are taken away only from a private profile that brings its own', () => {
  const config = { provider: { mine: {} } };
  expect(planWith({ profile: 'private', config }).env).toHaveProperty('OPENCODE_MODELS_PATH');
  expect(planWith({ profile: 'private' }).env).not.toHaveProperty('OPENCODE_MODELS_PATH');
  expect(planWith({ config }).env).not.toHaveProperty('OPENCODE_MODELS_PATH');
});

test('the user’s profile keeps the user’s home, the private one has none of it; both have a database of ours', () => {
  const [user, own] = [planWith(), planWith({ profile: 'private' })];
  expect(user.env).toMatchObject({ HOME: '/home/user', PATH: '/bin', OPENCODE_DISABLE_PROJECT_CONFIG: '1' });
  expect(user.shell.XDG_CONFIG_HOME).toBe('/home/user/.config');
  expect(Object.values(own.env).filter((value) => value.startsWith('/home/user'))).toEqual([]);
  for (const { env } of [user, own])
    expect(env.OPENCODE_DB).toMatch(/^\/gantry\/opencode\/projects\/[\w-]+\/opencode\.db$/);
  expect(planWith({}, { project: { ...project, isTrusted: true } }).env).not.toHaveProperty(
    'OPENCODE_DISABLE_PROJECT_CONFIG',
  );
});

test('a project’s id cannot lead out of the home', () => {
  const { paths } = planWith({}, { project: { ...project, id: '../../etc' } });
  expect(paths.base).toMatch(/^\/gantry\/opencode\/projects\/[0-9a-f]{32}$/);
});
