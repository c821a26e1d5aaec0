import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { installedAgent } from '../../src/cli/demo-project.ts';
import { Cli, documentOf, gantry } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

const isMissing = installedAgent().opencode === null;

/** A failure bound: a cold start of OpenCode on a loaded machine. */
const LIMIT_MS = 180_000;

describe.skipIf(isMissing)(`gantry demo${isMissing ? ' (OpenCode is not installed)' : ''}`, () => {
  it('does the main job on the real OpenCode, shows all of it, and leaves nothing behind', {
    timeout: LIMIT_MS,
  }, async () => {
    await using home = await tempDir();
    await using temporary = await tempDir();
    const env = { TMPDIR: temporary.path };
    const { code, stdout, stderr } = await gantry(['demo'], { home: home.path, env, limitMs: LIMIT_MS });
    expect(stderr).toContain('T3 done');
    for (const words of [
      /T3 +Test the script +T1, T2/,
      /T3 asked: bash "sh test_hello\.sh" → allow, by rule allow bash "sh test_hello\.sh"/,
      /A hello\.py +\+\d+ -0/,
      /\+def main\(\)/,
      /tokens in, \d+ out/,
      /merged into the project and compared with the disk: USAGE\.md, hello\.py, test_hello\.sh/,
      /Dashboard: http:\/\/127\.0\.0\.1:\d+/,
      /A scripted model played the agents\. With your own model:\n {2}npm start -- "<request>" --project DIR/,
    ]) {
      expect(stdout).toMatch(words);
    }
    expect(code).toBe(0);
    expect(readdirSync(home.path)).toEqual([]);
    expect(readdirSync(temporary.path)).toEqual([]);
  });

  it('ends what it has started when it is stopped', { timeout: LIMIT_MS }, async () => {
    await using home = await tempDir();
    await using temporary = await tempDir();
    await using cli = new Cli(['demo', '--json'], {
      home: home.path,
      env: { TMPDIR: temporary.path },
      limitMs: LIMIT_MS,
    });
    await cli.shows('planning');
    cli.child.kill('SIGTERM');
    const result = await cli.exited;
    expect(result.code).toBe(5);
    expect(documentOf(result)).toMatchObject({ error: { code: 'cancelled' } });
    expect(readdirSync(temporary.path)).toEqual([]);
  });
});
