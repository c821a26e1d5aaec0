import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/base/wait.ts';
import { createClient } from '../../src/client/client.ts';
import { readDaemonFile } from '../../src/daemon/daemon-file.ts';
import { endDaemon } from '../../src/daemon/spawn-daemon.ts';
import { readAdminToken } from '../../src/daemon/tokens-file.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/models/scripted/server.ts';
import { claudeProgram, claudeTools } from '../support/claude.ts';
import { gantry as runGantry } from '../support/cli.ts';
import { scriptedPrompt } from '../support/opencode.ts';
import { type TempDir, tempDir } from '../support/temp.ts';

const LIMIT_MS = 60_000;
/** What a turn with one tool makes. */
const TOLD = ['SessionStart', 'UserPromptSubmit', 'PreToolUse', 'PostToolUse', 'Stop', 'SessionEnd'];

let dir: TempDir;
let home: string;
let model: ScriptedModel;

beforeAll(async () => {
  dir = await tempDir();
  home = join(dir.path, 'home');
  for (const path of [home, join(dir.path, 'project')]) mkdirSync(path);
  writeFileSync(join(home, 'config.jsonc'), '{ "server": { "port": 0 } }');
  model = await startScriptedModel({});
});
afterAll(async () => {
  await endDaemon(home, { graceMs: 5_000 });
  await model.close();
  await dir[Symbol.asyncDispose]();
});

const gantry = (...args: string[]) => runGantry(args, { home });
const client = () => createClient({ url: readDaemonFile(home)?.url ?? '', token: readAdminToken(home) ?? '' });
const settings = (): string => readFileSync(join(home, '.claude', 'settings.json'), 'utf8');

/** A person's own Claude Code, with the settings of that home and nothing else. */
async function claude(session: string): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const prompt = scriptedPrompt({ tools: [claudeTools.run('echo from-the-tool')] }, { text: 'done' });
  const args = ['-p', prompt, '--session-id', session, '--permission-mode', 'bypassPermissions', '--strict-mcp-config'];
  const env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: home,
    TMPDIR: dir.path,
    IS_SANDBOX: '1',
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: 'dummy-local-key',
    DISABLE_AUTOUPDATER: '1',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  };
  const child = promisify(execFile)(claudeProgram(), args, { env, cwd: join(dir.path, 'project'), timeout: LIMIT_MS });
  child.child.stdin?.end();
  return await child;
}

/** The types that the session's hooks have told of, once there are so many. */
async function told(session: string): Promise<readonly string[]> {
  return await until(
    async () => {
      const { items } = await client().call('facts.list', { kind: 'observed', recent: 1_000 });
      const own = items.flatMap(({ kind, data }) =>
        kind === 'observed' && data.session_id === session && data.source_app === 'claude-code'
          ? [data.hook_event_type]
          : [],
      );
      return own.length < TOLD.length ? null : own;
    },
    { everyMs: 100, limitMs: LIMIT_MS },
    () => new Error(`hooks of ${session} are missing`),
  );
}

describe('the hooks that are installed for Claude Code, in the real program', () => {
  it('tell of a turn by command, in order', async () => {
    expect(await gantry('plugin', 'install', 'claude')).toMatchObject({ code: 0 });
    expect(await gantry('up')).toMatchObject({ code: 0 });
    const session = '11111111-1111-4111-8111-111111111111';
    expect((await claude(session)).stdout).toContain('done');
    expect(await told(session)).toEqual(TOLD);
    const used = await until(
      async () => {
        const { rows } = await client().call('usage.summary', {});
        return rows.find(({ role, backend }) => role === 'outside' && backend === 'claude-code') ?? null;
      },
      { everyMs: 100, limitMs: LIMIT_MS },
      () => new Error('nothing was counted'),
    );
    expect(used).toMatchObject({ sessions: 1, model: expect.stringContaining('claude') });
    expect(used.inputTokens).toBeGreaterThan(0);
  });

  it('tell of a turn by HTTP, where Claude Code can, and leave no trace', async () => {
    expect(await gantry('plugin', 'install', 'claude', '--http')).toMatchObject({ code: 0 });
    expect(settings().match(/"http"/g)).toHaveLength(13);
    expect(settings().match(/"command"/g)?.length, 'SessionStart only: its type and its key').toBe(2);
    const session = '22222222-2222-4222-8222-222222222222';
    expect((await claude(session)).stdout).toContain('done');
    // The command's event waits in the spool for a moment.
    expect((await told(session)).toSorted()).toEqual(TOLD.toSorted());
    const token = /\/in\/(gty_[^/]+)\//.exec(settings())?.[1] ?? '';
    expect(await gantry('plugin', 'status')).toMatchObject({ stdout: expect.stringContaining('current') });
    expect(await gantry('plugin', 'uninstall', 'claude')).toMatchObject({ code: 0 });
    expect(() => settings()).toThrow('ENOENT');
    const url = readDaemonFile(home)?.url;
    expect((await fetch(`${url}/in/${token}/hook`, { method: 'POST', body: '{}' })).status).toBe(401);
  });

  it('by HTTP hinder nothing while the daemon is away', async () => {
    expect(await gantry('plugin', 'install', 'claude', '--http')).toMatchObject({ code: 0 });
    expect(await gantry('down')).toMatchObject({ code: 0 });
    expect((await claude('33333333-3333-4333-8333-333333333333')).stdout).toContain('done');
    expect(await gantry('plugin', 'install', 'claude')).toMatchObject({ code: 0 });
    expect(settings()).not.toMatch(/gty_|"http"/);
  });
});
