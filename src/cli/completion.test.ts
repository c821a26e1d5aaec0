import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { completionScript, SHELLS } from './completion.ts';
import { COMMANDS } from './table.ts';

const run = promisify(execFile);

/** What bash would offer for a line. */
async function offered(...words: string[]): Promise<string[]> {
  const script = await completionScript('bash', COMMANDS);
  const line = words.map((word) => `'${word}'`).join(' ');
  const body = `${script}\nCOMP_WORDS=(${line})\nCOMP_CWORD=${words.length - 1}\n_gantry\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await run('bash', ['--norc', '-c', body], { env: { PATH: '/usr/bin:/bin' } });
  return stdout.split('\n').filter((word) => word !== '');
}

describe('completion', () => {
  it('offers commands, second words, values and flags', async () => {
    expect(await offered('gantry', 'ap')).toEqual(['approvals', 'approve']);
    expect(await offered('gantry', 'project', '')).toEqual(['add', 'ls', 'rm']);
    expect(await offered('gantry', 'completion', '')).toEqual(['bash', 'zsh', 'fish']);
    expect(await offered('gantry', 'run', '--max')).toEqual(['--max-tasks', '--max-parallel']);
    expect(await offered('gantry', 'project', 'add', '--tr')).toEqual(['--trust']);
  });

  it('offers no hidden command', async () => {
    expect(await offered('gantry', 'dem')).toEqual([]);
    expect(await offered('gantry', 'rep')).toEqual([]);
  });

  it.each(SHELLS)('is made for %s', async (shell) => {
    expect(await completionScript(shell, COMMANDS)).toContain('approvals');
  });
});
