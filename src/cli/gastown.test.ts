import { describe, expect, it } from 'vitest';
import { AppError } from '../contract/errors.ts';
import { readGastown } from './gastown.ts';

const RIG = {
  type: 'rig-settings',
  version: 1,
  agent: 'opencode',
  runtime: {
    provider: 'opencode',
    command: 'opencode',
    hooks: { provider: 'opencode', dir: '.opencode/plugin', settings_file: 'gastown.js' },
  },
};
const TOWN = {
  type: 'town-settings',
  version: 1,
  default_agent: 'claude',
  role_agents: { mayor: 'claude', deacon: 'claude', witness: 'claude', refinery: 'claude', polecat: 'opencode' },
};

const read = (...values: readonly object[]) =>
  readGastown(
    values.map((value, i) => ({ name: `${i}.json`, text: JSON.stringify(value) })),
    [],
  );
const fault = (value: object): string => {
  try {
    read(value);
  } catch (error) {
    if (error instanceof AppError && error.code === 'bad_config') return error.message;
    throw error;
  }
  return 'no fault';
};

describe('import of settings of Gastown', () => {
  it('makes the town’s roles the user’s and the rig’s agent the project’s default', () => {
    const { user, project, notices } = read(TOWN, RIG);
    expect(user).toEqual({
      defaultBackend: 'claude',
      roles: {
        mayor: { backend: 'claude', instances: 'plane' },
        deacon: { backend: 'claude', instances: 'plane' },
        witness: { backend: 'claude', instances: 'project' },
        refinery: { backend: 'claude', instances: 'project' },
        polecat: { backend: 'opencode' },
      },
    });
    expect(project).toEqual({ defaultBackend: 'opencode' });
    expect(notices.map((notice) => notice.split(/[: ]/)[0])).toEqual([
      'role_agents.deacon',
      'role_agents.witness',
      'runtime.hooks.provider',
      'runtime.hooks.dir',
      'runtime.hooks.settings_file',
    ]);
  });

  it('makes another executable a backend of its own', () => {
    const { user, project } = read({ ...RIG, runtime: { provider: 'opencode', command: '/opt/oc/opencode --pure' } });
    expect(user).toEqual({ backends: { 'opencode-opencode-pure': { command: ['/opt/oc/opencode', '--pure'] } } });
    expect(project).toEqual({ defaultBackend: 'opencode-opencode-pure' });
  });

  it.each([
    [
      { ...TOWN, default_agent: 'cursor' },
      /0\.json: default_agent: there is no backend "cursor"; known: .*opencode.*claude/,
    ],
    [{ ...TOWN, role_agents: { mayor: 'cursor' } }, /role_agents\.mayor: there is no backend "cursor"/],
    [{ ...RIG, agnet: 'opencode' }, /0\.json: agnet: unknown key.*agent/],
    [{ ...RIG, runtime: { hooks: { dri: 'x' } } }, /runtime\.hooks\.dri: unknown key.*dir/],
    [{ ...RIG, version: 2 }, /version: .*expected 1/],
    [{ ...RIG, type: 'crew-settings' }, /type: "crew-settings" is not accepted: rig-settings, town-settings/],
    [{ ...RIG, agent: 'claude' }, /agent is "claude" and runtime.provider is "opencode"/],
    [{ type: 'rig-settings', version: 1, runtime: { command: 'x' } }, /runtime\.command: whose program/],
  ])('refuses %j', (value, message) => {
    expect(fault(value)).toMatch(message);
  });

  it('refuses what is no JSON', () => {
    expect(() => readGastown([{ name: 'a.json', text: '{' }], [])).toThrow(/a\.json: not valid JSON/);
  });
});
