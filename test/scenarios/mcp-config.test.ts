import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claudeProgram } from '../support/claude.ts';
import { tokenOf } from '../support/mcp.ts';
import { opencodeProgram, scriptedPrompt } from '../support/opencode.ts';
import { type PersonsOpencode, personsOpencode } from '../support/persons-opencode.ts';
import { programFile } from '../support/programs.ts';
import { fake, writeProgram } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

const MAIN = programFile('cli/main');
const LIMIT_MS = 120_000;

let world: World;
let person: PersonsOpencode;
let token: string;

beforeAll(async () => {
  world = await World.make(fake);
  person = await personsOpencode();
  await world.up();
  await writeProgram(join(world.root, 'bin', 'gantry'), [process.execPath, MAIN]);
  token = await tokenOf(world);
}, LIMIT_MS);
afterAll(async () => {
  await person?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

/** A person's shell, in which `gantry` is installed. */
const shell = () => ({
  PATH: `${join(world.root, 'bin')}:${person.env.PATH}`,
  GANTRY_HOME: world.home,
  GANTRY_TOKEN: token,
});

/** What `gantry mcp config` prints, as it is printed. */
async function printed(...args: readonly string[]): Promise<Record<string, Record<string, unknown>>> {
  const { code, stdout } = await world.gantry(['mcp', 'config', ...args]);
  expect(code).toBe(0);
  expect(stdout).not.toContain('gty_');
  return JSON.parse(stdout);
}

const called = (tool: string) =>
  scriptedPrompt({ tools: [{ name: tool, input: {} }] }, { text: 'heard: {{lastToolOutput}}' });

describe('what `gantry mcp config` prints', () => {
  it('connects OpenCode, and a tool call of its model reaches Gantry', { timeout: LIMIT_MS }, async () => {
    const [local, remote] = [await printed('opencode'), await printed('opencode', '--remote')];
    const mcp = { gantry: local.mcp?.gantry, far: remote.mcp?.gantry };
    const own = JSON.parse(await readFile(person.configFile, 'utf8')) as object;
    await writeFile(person.configFile, JSON.stringify({ ...own, mcp }));
    const env = { ...person.env, ...shell() };
    const options = { cwd: person.project.root, env, timeout: LIMIT_MS };
    const listing = promisify(execFile)(opencodeProgram(), ['mcp', 'list'], options);
    listing.child.stdin?.end();
    const { stdout } = await listing;
    for (const name of ['gantry', 'far']) expect(stdout).toMatch(new RegExp(`${name}[^\\n]*connected`));
    for (const name of ['gantry', 'far']) {
      const ran = await person.run(called(`${name}_list_tasks`), { env: shell() });
      expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining('heard: {') });
      expect(ran.stdout).toMatch(/heard: \{.*tasks/);
    }
  });

  it('connects Claude Code in the same ways', { timeout: LIMIT_MS }, async () => {
    for (const more of [[], ['--remote']]) {
      const config = join(world.root, 'mcp.json');
      await writeFile(config, JSON.stringify(await printed('claude', ...more)));
      const args = ['-p', called('mcp__gantry__list_tasks'), '--mcp-config', config, '--strict-mcp-config'];
      const env = {
        ...{ ...person.env, ...shell(), HOME: join(world.root, 'user'), IS_SANDBOX: '1' },
        ...{ ANTHROPIC_BASE_URL: person.model.url, ANTHROPIC_API_KEY: 'dummy-local-key', DISABLE_AUTOUPDATER: '1' },
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      };
      const options = { env, cwd: person.project.root, timeout: LIMIT_MS };
      const running = promisify(execFile)(
        claudeProgram(),
        [...args, '--allowedTools', 'mcp__gantry__list_tasks'],
        options,
      );
      running.child.stdin?.end();
      expect((await running).stdout).toMatch(/heard: \{[\s\S]*tasks/);
    }
  });
});

it('the doctor names MCP servers that OpenCode would not take, with the form that works', async () => {
  const ours = async () => {
    const { checks } = await world.call('doctor', { project: world.project.root, isQuick: true });
    return checks.filter(({ name }) => name === 'opencode mcp');
  };
  expect(await ours()).toMatchObject([{ status: 'ok' }]);
  const own = join(world.userHome, '.config', 'opencode', 'opencode.json');
  await mkdir(join(own, '..'), { recursive: true });
  const stdio = { type: 'stdio', command: 'openwork-mcp-bridge', args: ['-v'], env: { KEY: 'a-secret' } };
  await writeFile(own, `// mine\n${JSON.stringify({ mcp: { openwork: stdio } })}`);
  const project = join(world.project.root, 'opencode.json');
  await writeFile(project, JSON.stringify({ mcpServers: { openwork: stdio } }));
  const found = await ours();
  expect(found).toMatchObject([
    { status: 'notice', detail: expect.stringContaining(`${own}: mcp.openwork has the type "stdio"`) },
    { status: 'notice', detail: expect.stringContaining(`${project}: OpenCode does not read mcpServers`) },
  ]);
  const works = { mcp: { openwork: { type: 'local', command: ['openwork-mcp-bridge', '-v'], enabled: true } } };
  for (const { repair } of found) expect(repair).toContain(JSON.stringify(works));
  expect(JSON.stringify(found)).not.toContain('a-secret');
});
