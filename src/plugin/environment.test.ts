import { describe, expect, it } from 'vitest';
import { settingsFrom } from './environment.ts';

const run = ['bun', '/$bunfs/root/src/index.js', 'run'];

describe('the plugin’s settings', () => {
  it.each([
    [{}, null],
    [{ GANTRY_PLUGIN_MODE: 'plan' }, 'plan'],
    [{ GANTRY_PLUGIN_MODE: 'off', GANTRY_AUTO_EXECUTE: '1' }, 'off'],
    [{ GANTRY_AUTO_PLAN: '1' }, 'plan'],
    [{ GANTRY_AUTO_PLAN: '1', GANTRY_AUTO_EXECUTE: 'true' }, 'execute'],
    [{ GANTRY_AUTO_PLAN: 'false', GANTRY_AUTO_EXECUTE: '0' }, null],
    [{ GANTRY_PLUGIN_MODE: 'execute', GANTRY_SPAWN: 'opencode-srv_1' }, 'observe'],
    [{ GANTRY_ATTEMPT: 'att_1' }, 'observe'],
    [{ GANTRY_ATTEMPT: 'att_1', GANTRY_PLUGIN_MODE: 'off' }, 'off'],
  ] as const)('%j is mode %s', (variables, mode) => {
    expect(settingsFrom({ home: '/h' }, variables, run)).toMatchObject({ mode, problem: null, home: '/h' });
  });

  it('a mode that does not exist turns the plugin off and names the accepted ones', () => {
    const { mode, problem } = settingsFrom({}, { GANTRY_PLUGIN_MODE: 'loud' }, run);
    expect(mode).toBe('off');
    expect(problem).toBe('GANTRY_PLUGIN_MODE is "loud"; accepted: off, observe, plan, execute');
  });

  it('nothing is sent through a proxy', () => {
    const proxied = { http_proxy: 'http://proxy:3128' };
    expect(settingsFrom({}, proxied, run).problem).toContain('NO_PROXY');
    expect(settingsFrom({}, { ...proxied, NO_PROXY: 'localhost, 127.0.0.1' }, run).problem).toBeNull();
  });

  it.each([
    [run, 'cli'],
    [['bun', 'x', 'serve'], 'server'],
    [['bun', 'x'], 'tui'],
    [['bun', 'x', '/a/directory'], 'tui'],
  ] as const)('%j is kind %s', (argv, kind) => {
    expect(settingsFrom(undefined, {}, argv).kind).toBe(kind);
  });
});
