import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/base/wait.ts';
import { type Client, createClient } from '../../src/client/client.ts';
import { readDaemonFile } from '../../src/daemon/daemon-file.ts';
import { endDaemon } from '../../src/daemon/spawn-daemon.ts';
import { readAdminToken } from '../../src/daemon/tokens-file.ts';
import { type CliOptions, type CliResult, gantry as runGantry } from '../support/cli.ts';
import { type TempDir, tempDir } from '../support/temp.ts';

const LIMIT_MS = 40_000;
let dir: TempDir;
let home: string;
/** What Claude Code would run. */
let line: string;

beforeAll(async () => {
  dir = await tempDir();
  home = join(dir.path, 'home');
  mkdirSync(home);
  writeFileSync(join(home, 'config.jsonc'), '{ "server": { "port": 0 } }');
  expect(await gantry(['plugin', 'install', 'claude'])).toMatchObject({ code: 0 });
  const settings = JSON.parse(readFileSync(join(home, '.claude', 'settings.json'), 'utf8'));
  line = settings.hooks.PostToolUse[0].hooks[0].command;
});
afterAll(async () => {
  await endDaemon(home, { graceMs: 5_000 });
  await dir[Symbol.asyncDispose]();
});

const gantry = (args: string[], more: Partial<CliOptions> = {}): Promise<CliResult> =>
  runGantry(args, { home, ...more });

async function hook(session: string, n: number): Promise<void> {
  const child = spawn('/bin/sh', ['-c', line], {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { PATH: '/usr/bin:/bin' },
  });
  const payload = { session_id: session, hook_event_name: 'PostToolUse', tool_name: 'Bash', tool_response: `n=${n}` };
  child.stdin.end(JSON.stringify(payload));
  expect(await once(child, 'exit')).toEqual([0, null]);
}

function client(): Client {
  const url = readDaemonFile(home)?.url ?? '';
  return createClient({ url, token: readAdminToken(home) ?? '' });
}

/** What the session's hooks have said, in the journal's order, once there are so many. */
async function numbers(session: string, count: number): Promise<number[]> {
  return await until(
    async () => {
      const { items } = await client().call('facts.list', { kind: 'observed', recent: 1_000 });
      const own = items.flatMap((fact) =>
        fact.kind === 'observed' && fact.data.session_id === session ? [fact.data] : [],
      );
      return own.length < count ? null : own.map(({ payload }) => Number(String(payload.tool_response).slice(2)));
    },
    { everyMs: 50, limitMs: LIMIT_MS },
    () => new Error(`not ${count} events of ${session}`),
  );
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('hooks of Claude Code', () => {
  it('what came while the daemon was down arrives once and in order when it starts', async () => {
    for (const n of range(40)) await hook('while-down', n);
    expect(await gantry(['up'])).toMatchObject({ code: 0 });
    expect(await numbers('while-down', 40)).toEqual(range(40));
  });

  it('nothing is lost or doubled though the daemon is killed in between', async () => {
    const hooks = (async () => {
      for (const n of range(60)) await hook('through-kills', n);
    })();
    for (const seen of [10, 30]) {
      await numbers('through-kills', seen);
      const { pid } = readDaemonFile(home) ?? {};
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
      expect(await gantry(['up'])).toMatchObject({ code: 0 });
    }
    await hooks;
    await numbers('through-kills', 60);
    await hook('behind-them', 0);
    await numbers('behind-them', 1);
    expect(await numbers('through-kills', 60)).toEqual(range(60));
  });

  it('gantry hook leaves an event in the same spool, and starts no daemon', async () => {
    const payload = JSON.stringify({ session_id: 'by-command', hook_event_name: 'Stop', tool_response: 'n=0' });
    expect(await gantry(['down'])).toMatchObject({ code: 0 });
    expect(await gantry(['hook'], { stdin: payload, env: { GANTRY_SOURCE_APP: 'mine' } })).toEqual({
      code: 0,
      signal: null,
      stdout: '',
      stderr: '',
    });
    expect(readDaemonFile(home)).toBeNull();
    expect(await gantry(['up'])).toMatchObject({ code: 0 });
    expect(await numbers('by-command', 1)).toEqual([0]);
    expect(await gantry(['hook', '--print'])).toMatchObject({ code: 0, stdout: `${line}\n` });
  });

  it('secrets in an event are masked before they are stored', async () => {
    const secret = `sk-ant-${'a1'.repeat(24)}`;
    const payload = { session_id: 'secret', hook_event_name: 'Stop', tool_response: 'n=0', key: secret };
    await gantry(['hook'], { stdin: JSON.stringify(payload) });
    await numbers('secret', 1);
    const { items } = await client().call('facts.list', { kind: 'observed', recent: 5 });
    expect(JSON.stringify(items)).not.toContain(secret);
  });
});
