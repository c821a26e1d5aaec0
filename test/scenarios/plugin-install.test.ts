import { existsSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cli, type CliResult } from '../support/cli.ts';
import { hashOfTree } from '../support/leftovers.ts';
import { type TempDir, tempDir } from '../support/temp.ts';

let dir: TempDir;
let home: string;
let user: string;
let project: string;

beforeAll(async () => {
  dir = await tempDir();
  [home, user, project] = ['home', 'user', 'project'].map((name) => join(dir.path, name)) as [string, string, string];
  for (const path of [home, user, project]) mkdirSync(path);
  writeFileSync(join(home, 'config.jsonc'), '{ "server": { "port": 0 } }');
});
afterAll(async () => {
  await gantry('down');
  await dir[Symbol.asyncDispose]();
});

const gantry = (...args: string[]): Promise<CliResult> =>
  new Cli(args, { home, cwd: project, env: { HOME: user } }).exited;

const opencodeFile = (): string => join(user, '.config', 'opencode', 'opencode.json');
const claudeFile = (): string => join(user, '.claude', 'settings.json');

function put(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: 0o600 });
}

describe('gantry plugin', () => {
  it.each([
    ['opencode', opencodeFile, '{\n  // mine\n  "theme": "dark",\n  "plugin": ["other"],\n}\n'],
    ['claude', claudeFile, '{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"say done"}]}]},\n "model":"x"}'],
  ])(
    'install puts %s’s entry beside what is there, uninstall restores the file to the byte',
    async (agent, file, text) => {
      put(file(), text);
      expect(await gantry('plugin', 'install', agent)).toMatchObject({ code: 0, stdout: `installed: ${file()}\n` });
      const installed = readFileSync(file(), 'utf8');
      expect(installed).toContain(home);
      expect(installed).not.toMatch(/gty_/);
      expect(statSync(file()).mode & 0o777).toBe(0o600);
      expect(await gantry('plugin', 'install', agent)).toMatchObject({ code: 0 });
      expect(readFileSync(file(), 'utf8')).toBe(installed);
      const status = await gantry('plugin', 'status', '--json');
      expect(JSON.parse(status.stdout)).toEqual([{ agent, file: file(), isCurrent: true }]);
      expect(await gantry('plugin', 'uninstall', agent)).toMatchObject({ code: 0 });
      expect(readFileSync(file(), 'utf8')).toBe(text);
      expect(await gantry('plugin', 'uninstall', agent)).toMatchObject({ code: 0, stdout: 'was not installed\n' });
    },
  );

  it.each(['opencode', 'claude'])('where %s has no file yet, nothing of it is left after uninstall', async (agent) => {
    const before = await hashOfTree(project);
    expect(await gantry('plugin', 'install', agent, '--project')).toMatchObject({ code: 0 });
    expect(await hashOfTree(project)).not.toBe(before);
    expect(await gantry('plugin', 'uninstall', agent, '--project')).toMatchObject({ code: 0 });
    expect(await hashOfTree(project)).toBe(before);
    expect(existsSync(join(project, '.claude'))).toBe(false);
  });

  it('a file that was changed since keeps the change, and loses only our entry', async () => {
    put(opencodeFile(), '{\n  "theme": "dark"\n}\n');
    await gantry('plugin', 'install', 'opencode');
    const changed = readFileSync(opencodeFile(), 'utf8').replace('"dark"', '"light"');
    writeFileSync(opencodeFile(), changed);
    await gantry('plugin', 'uninstall', 'opencode');
    expect(readFileSync(opencodeFile(), 'utf8')).toBe('{\n  "theme": "light"\n}\n');
  });

  it('a file that is a link stays one', async () => {
    const real = join(user, 'dotfiles.json');
    writeFileSync(real, '{}\n');
    const link = join(project, 'opencode.json');
    symlinkSync(real, link);
    await gantry('plugin', 'install', 'opencode', '--project');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(real, 'utf8')).toContain('gantry-opencode.js');
    await gantry('plugin', 'uninstall', 'opencode', '--project');
    expect(readFileSync(real, 'utf8')).toBe('{}\n');
  });

  it('a file that is no JSON is left alone, and so is an agent that nobody knows', async () => {
    put(claudeFile(), '{ "model": ');
    expect(await gantry('plugin', 'install', 'claude')).toMatchObject({ code: 2 });
    expect(readFileSync(claudeFile(), 'utf8')).toBe('{ "model": ');
    const unknown = await gantry('plugin', 'install', 'vim');
    expect(unknown).toMatchObject({ code: 2 });
    expect(unknown.stderr).toContain('opencode, claude');
  });

  it('the token of the plugin is in a private file, and is revoked with it', async () => {
    put(opencodeFile(), '{}\n');
    await gantry('plugin', 'install', 'opencode');
    const file = join(home, 'plugin', 'token');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const token = readFileSync(file, 'utf8').trim();
    expect(await gantry('requests', '--token', token)).toMatchObject({ code: 0 });
    expect(await gantry('approvals', '--token', token)).toMatchObject({ code: 0 });
    await gantry('plugin', 'uninstall', 'opencode');
    expect(existsSync(file)).toBe(false);
    expect(await gantry('requests', '--token', token)).toMatchObject({ code: 4 });
  });
});
