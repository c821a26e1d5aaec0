import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { ConfigValue } from '../../src/contract/shapes.ts';
import { scenario } from '../support/scenario.ts';

const not = { opencode: 'no agent is started' };

const town = (lead: string, worker: string) => ({
  type: 'town-settings',
  version: 1,
  default_agent: lead,
  role_agents: { mayor: lead, deacon: lead, witness: lead, refinery: lead, polecat: worker },
});
const rig = (agent: string) => ({
  type: 'rig-settings',
  version: 1,
  agent,
  runtime: { provider: agent, hooks: { provider: agent, dir: '.opencode/plugin', settings_file: 'gastown.js' } },
});

scenario(
  'E3 settings of another orchestrator are taken over, explained, and refused where they are wrong',
  { not },
  async (world) => {
    const { root } = world.project;
    await mkdir(join(world.root, 'scratch'));
    const file = async (name: string, value: object): Promise<string> => {
      const path = join(world.root, 'scratch', name);
      await writeFile(path, JSON.stringify(value));
      return path;
    };
    const { backend } = world.agent;
    const files = [await file('town.json', town(backend, 'opencode')), await file('rig.json', rig('opencode'))];
    const user = join(world.home, 'config.jsonc');
    const before = await readFile(user, 'utf8');

    const dry = await world.gantry(['import', 'gastown', ...files, '--dry-run']);
    expect(dry).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing was written') });
    expect(await readFile(user, 'utf8')).toBe(before);
    for (const [name, value, message] of [
      [
        'backend',
        { ...town(backend, 'cursor') },
        /role_agents\.polecat: there is no backend "cursor"; known: .*opencode/,
      ],
      ['key', { ...town(backend, 'opencode'), default_agnet: 'x' }, /default_agnet: unknown key.*default_agent/],
      ['version', { ...rig('opencode'), version: 3 }, /version: .*expected 1/],
      ['agent', { ...rig('opencode'), agent: backend }, /agent is ".*" and runtime\.provider is "opencode"/],
    ] as const) {
      const refused = await world.gantry(['import', 'gastown', await file(`${name}.json`, value)]);
      expect([name, refused.code]).toEqual([name, 2]);
      expect(refused.stderr).toMatch(message);
    }
    expect(await readFile(user, 'utf8')).toBe(before);

    const first = (await world.gantry(['import', 'gastown', ...files, '--json'])).json() as { notices: string[] };
    expect(first.notices).toHaveLength(5);
    const after = await readFile(user, 'utf8');
    const again = await world.gantry(['import', 'gastown', ...files, '--json']);
    expect(again.json()).toMatchObject({ isChanged: false });
    expect(await readFile(user, 'utf8')).toBe(after);

    const explain = async (role: string): Promise<readonly ConfigValue[]> =>
      (await world.gantry(['config', 'explain', role, '--project', root, '--json'])).json();
    for (const [role, value, layer] of [
      ['mayor', backend, 'user'],
      ['polecat', 'opencode', 'user'],
      ['worker', 'opencode', 'project'],
    ]) {
      const rows = await explain(role ?? '');
      expect(rows.find(({ key }) => key === `roles.${role}.backend`)).toMatchObject({ value, layer });
      expect(rows.every((row) => row.layer !== undefined && row.source !== '')).toBe(true);
    }
    await rm(join(root, '.gantry'), { recursive: true });
  },
);

scenario(
  'a project whose settings cannot be read is refused, and one that is known waits and says why while others go on',
  { not: { real: 'it is about no agent program' } },
  async (world) => {
    const other = await world.addProject();
    const bad = async ({ root }: { readonly root: string }): Promise<string> => {
      await mkdir(join(root, '.gantry'), { recursive: true });
      const file = join(root, '.gantry', 'config.jsonc');
      await writeFile(file, '{ "limitz": {} }');
      return file;
    };
    const file = await bad(other);
    for (const refused of [
      await world.gantry(['project', 'add', other.root]),
      await world.gantry(['run', '--allow-dirty', 'Do it.'], { cwd: other.root }),
    ]) {
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain('limitz');
    }
    expect([...world.journal.view.projects.values()].filter(({ path }) => path === other.root)).toEqual([]);
    await rm(file);

    const { id } = await world.submitOne([{ hold: 'go' }, { text: 'whole' }]);
    const held = await world.task(id, 'T1', 'working');
    await world.kill();
    const slip = await bad(world.project);
    await world.up();
    const alert = await world.until('an alert', ({ alerts }) =>
      [...alerts.values()].find((text) => text.includes('limitz')),
    );
    expect(alert).toContain('nothing starts in');
    const why = await world.gantry(['explain', held.id]);
    expect(why.stdout).toContain('limitz');
    const next = await world.submit(`Do it.\n${world.agent.play({ text: 'done' })}`, {
      project: other.root,
      options: { isSingleTask: true },
    });
    expect(await world.over(next.id)).toMatchObject({ state: 'done' });
    expect(await world.task(id)).toMatchObject({ state: 'working', attempts: 1 });

    await rm(slip);
    await world.agent.release('go');
    expect(await world.over(id)).toMatchObject({ state: 'done' });
    expect(await world.task(id)).toMatchObject({ state: 'done', attempts: 1 });
    await world.until('no alert', ({ alerts }) => alerts.size === 0);
    for (const { root } of [other, world.project]) await rm(join(root, '.gantry'), { recursive: true });
  },
);
