import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cli, type CliResult, documentOf, gantry } from '../../test/support/cli.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'gantry-cli-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));
const run = (args: string[], stdin = ''): Promise<CliResult> => gantry(args, { home, stdin });

describe('gantry', () => {
  it('says its version', async () => {
    const { code, stdout } = await run(['--version']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    ['an unknown command', ['stauts'], 2, 'Did you mean status?'],
    ['an unknown flag', ['tasks', '--recnt'], 2, "unknown option '--recnt'"],
    ['a value that is not accepted', ['run', 'x', '--timeout', 'soon'], 2, 'accepted: a length of time'],
    ['no request', ['run'], 2, 'no text was given'],
    ['an empty request on stdin', ['run', '-'], 2, 'no text was given'],
    ['a thing that is not there', ['show', 'nothing'], 7, 'there is no "nothing"'],
    ['no daemon', ['tasks', '--require-daemon'], 4, 'no daemon runs'],
    [
      'an address where nobody answers',
      ['tasks', '--url', 'http://127.0.0.1:9', '--token', 'gty_x'],
      4,
      'no daemon answers',
    ],
    ['a shell that is unknown', ['completion', 'tcsh'], 2, 'accepted: bash, zsh, fish'],
    ['a script that is not there', ['model', 'serve', '--script', '/nowhere.json'], 2, '/nowhere.json'],
  ])('refuses %s', async (_what, args, exit, words) => {
    const human = await run(args);
    expect([human.code, human.stdout]).toEqual([exit, '']);
    expect(human.stderr).toMatch(/^gantry: /);
    expect(human.stderr).toContain(words);
    expect(human.stderr).not.toMatch(/\n\s+at /);
    const json = await run([...args, '--json']);
    expect(json.code).toBe(exit);
    expect(documentOf(json)).toMatchObject({ error: { code: expect.any(String), message: expect.any(String) } });
  });

  it('answers status and down without a daemon, and starts none', async () => {
    expect(await run(['status'])).toMatchObject({ code: 4, stdout: expect.stringContaining('not running') });
    expect(documentOf(await run(['status', '--json']))).toEqual({ isRunning: false, home });
    expect(await run(['down'])).toMatchObject({ code: 0, stdout: 'was not running\n' });
  });

  it('prints the JSON Schema of the configuration', async () => {
    const schema = documentOf(await run(['config', 'schema']));
    expect(schema).toMatchObject({ type: 'object', properties: { planner: { type: 'object' } } });
  });

  it('takes over a configuration of Rozet, once', async () => {
    const file = join(home, 'providers.yaml');
    await writeFile(join(home, 'config.jsonc'), '{\n  // mine\n  "limits": { "maxParallel": 2 }\n}\n');
    await writeFile(file, 'orchestrator: { provider: openai, model: gpt-5-nano }\nbudget: { max_task_usd: 0.75 }\n');
    const first = await run(['import', 'rozet', file]);
    expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining('planner.model = "openai/gpt-5-nano"') });
    const written = await readFile(join(home, 'config.jsonc'), 'utf8');
    expect(written).toContain('// mine');
    expect(written).toContain('"taskUsd": 0.75');
    expect(documentOf(await run(['import', 'rozet', file, '--json']))).toMatchObject({ isChanged: false });
    expect(await readFile(join(home, 'config.jsonc'), 'utf8')).toBe(written);
    expect((await run(['import', 'rozet', '/nowhere.yaml'])).code).toBe(7);
    await rm(join(home, 'config.jsonc'));
  });

  it('is quiet when its reader goes away', async () => {
    await using cli = new Cli(['config', 'schema'], { home });
    cli.child.stdout?.destroy();
    const { code, stderr } = await cli.exited;
    expect([code, stderr]).toEqual([0, '']);
  });

  it('serves the scripted model until Ctrl-C', async () => {
    await using cli = new Cli(['model', 'serve', '--json'], { home });
    await cli.shows('Ctrl-C stops it');
    const [document] = cli.output.split('OpenAI:');
    const { url } = JSON.parse(document ?? '') as { url: string };
    expect((await fetch(`${url}/v1/models`)).status).toBe(200);
    cli.child.kill('SIGINT');
    expect((await cli.exited).code).toBe(0);
  });

  it('answers exec failures in its own form', async () => {
    const { code, stdout } = await run(['exec', '-p', '-', '-f', 'json', '-q', '--require-daemon'], 'say hi');
    expect(code).toBe(4);
    expect(stdout.endsWith('}\n')).toBe(true);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(stdout)).toEqual({ error: { code: 'daemon_unreachable', message: expect.any(String) } });
  });
});
