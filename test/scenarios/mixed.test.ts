import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Assignment } from '../../src/contract/agent-operations.ts';
import type { OutputOf } from '../../src/contract/api.ts';
import { claude } from '../support/claude-agent.ts';
import { opencode } from '../support/opencode-agent.ts';
import { commonCheck, settingsOf } from '../support/scenario.ts';
import { type AgentKind, fake, type ScriptedAgent } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

const NAMES = ['worker-1', 'worker-2', 'worker-3'];
const COLUMNS = ['backend', 'role', 'name', 'project', 'state'] as const;

/** The two files of another orchestrator: a town's and a rig's. */
const files = (lead: string, worker: string) => ({
  town: {
    type: 'town-settings',
    version: 1,
    default_agent: lead,
    role_agents: { mayor: lead, deacon: lead, witness: lead, refinery: lead, polecat: worker },
  },
  rig: { type: 'rig-settings', version: 1, agent: worker, runtime: { provider: worker } },
});

async function run(world: World, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await world.gantry(args);
  expect([code, stderr], args.join(' ')).toEqual([0, expect.any(String)]);
  return stdout;
}

/** `worker` null: a second backend of the first program. */
async function mixed(lead: AgentKind, worker: AgentKind | null): Promise<void> {
  const twin = `${lead.name}-two`;
  const config = ({ play, settings }: ScriptedAgent) => ({
    ...(worker === null && { backends: { [twin]: settings } }),
    roles: {
      refinery: { isReadOnly: true, prompt: `You judge. ${play({ text: '{"verdict":"approve","text":"fine"}' })}` },
    },
    merge: { isAuto: true, remote: 'origin', target: 'main', batchWait: 0, approvals: 1, reviewRole: 'refinery' },
  });
  await using world = await World.make(lead, config, worker ? [worker] : []);
  const before = await settingsOf(world);
  await world.up();
  const { root } = world.project;
  await run(world, ['project', 'add', root, '--name', 'myproject']);
  await mkdir(join(world.root, 'scratch'));
  const [boss, hand] = [lead.name, worker?.name ?? twin];
  const paths = Object.entries(files(boss, hand)).map(
    ([name, value]) => [join(world.root, 'scratch', name), value] as const,
  );
  for (const [path, value] of paths) await writeFile(path, JSON.stringify(value));
  await run(world, ['import', 'gastown', ...paths.map(([path]) => path)]);
  // For the check of what is the user's: the project is as it was.
  await rm(join(root, '.gantry'), { recursive: true });

  await run(world, ['agent', 'start', 'mayor']);
  const workers = world.others[0] ?? world.agent;
  const slung: Assignment[] = [];
  for (const [i, name] of NAMES.entries()) {
    const acts = [{ hold: 'go', run: `echo ${name} > ${name}.txt` }, { text: 'made' }];
    const text = `issue-${i + 1}. ${workers.play(...acts)}`;
    const flags = ['--agent', hand, '--role', 'polecat', '--name', name, '--json'];
    slung.push(JSON.parse(await run(world, ['sling', text, 'myproject', ...flags])));
  }
  await run(world, ['agent', 'start', 'refinery', '--project', 'myproject', '--agent', boss]);
  // An assignment is answered before its program is up.
  for (const { requestId } of slung) await world.task(requestId ?? 'req_', 'T1', 'working');
  const rows = [
    [boss, 'mayor', '-', '-', 'running'],
    ...NAMES.map((name) => [hand, 'polecat', name, 'myproject', 'running']),
    [boss, 'refinery', '-', 'myproject', 'running'],
  ];
  const shown = (await run(world, ['agents', '--columns', COLUMNS.join(',')])).trim().split('\n');
  expect(shown.map((row) => row.trim().split(/\s+/)).slice(1)).toEqual(rows);
  const listed: OutputOf<'agents.list'>['items'] = JSON.parse(await run(world, ['agents', '--json']));
  expect(listed.map((row) => COLUMNS.map((column) => row[column] ?? '-'))).toEqual(rows);
  expect(new Set(slung.map(({ workspace }) => workspace)).size).toBe(3);
  expect(new Set(slung.map(({ branch }) => branch)).size).toBe(3);

  await workers.release('go');
  for (const { requestId } of slung) {
    const merge = await world.until(`the merge of ${requestId}`, ({ merges }) =>
      [...merges.values()].find((one) => one.requestId === requestId && one.state === 'merged'),
    );
    expect(merge.reviews).toMatchObject([{ by: 'myproject/refinery/-', verdict: 'approve', text: 'fine' }]);
    expect(await world.project.git(['branch', '--list', merge.branch])).toBe('');
  }
  const { git, remote } = world.project;
  const content = await git(['ls-tree', '--name-only', 'main'], remote);
  expect(content.split('\n')).toEqual(expect.arrayContaining(NAMES.map((name) => `${name}.txt`)));
  if (worker) {
    const texts = async (agent: ScriptedAgent): Promise<string[]> => (await agent.requests()).map(({ text }) => text);
    expect((await texts(workers)).filter((text) => text.includes('You judge.'))).toEqual([]);
    expect((await texts(world.agent)).filter((text) => text.includes('polecat'))).toEqual([]);
  }
  await run(world, ['agent', 'stop', 'mayor']);
  await run(world, ['agent', 'stop', 'refinery']);
  await commonCheck(world, before);
}

it('A1 a mixed fleet works, is reviewed and merged (fake)', () => mixed(fake, null));
it('A1 a mixed fleet works, is reviewed and merged (claude and opencode)', { timeout: 300_000 }, () =>
  mixed(claude, opencode),
);
