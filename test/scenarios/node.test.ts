import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { until } from '../../src/base/wait.ts';
import type { TokenInfo } from '../../src/contract/shapes.ts';
import { cableTo, farNode, nodeIs } from '../support/far-node.ts';
import { LIMIT_MS } from '../support/journal-watch.ts';
import { httpClient } from '../support/mcp.ts';
import { scenario } from '../support/scenario.ts';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import type { World } from '../support/world.ts';

const far = (agent: ScriptedAgent): string => `${agent.backend}-far`;

const onFar = (nodeLease: number) => ({
  config: (agent: ScriptedAgent) => ({
    backends: { [far(agent)]: { ...agent.settings, node: 'far' } },
    limits: { nodeLease },
  }),
});

const tokenFor = async (world: World, name: string, scope = 'node'): Promise<string> =>
  (await world.gantry(['token', '--scope', scope, '--name', name])).stdout.trim();

/** Until the model has been asked so often. */
const askedTimes = (world: World, times: number): Promise<true> =>
  until(
    async () => ((await world.agent.requests()).length >= times ? true : null),
    { everyMs: 20, limitMs: LIMIT_MS },
    () => new Error(`the model was not asked ${times} times`),
  );

describe('a node (E1)', () => {
  scenario('works on, cut off, and everything arrives in order and once', onFar(60_000), async (world) => {
    await using cable = await cableTo(world.client.url);
    expect((await world.gantry(['nodes'])).stdout).toMatch(/far +expected/);
    await using node = await farNode(world, { url: cable.url, token: await tokenFor(world, 'far'), name: 'far' });
    await nodeIs(world, 'far', 'connected');

    const acts = [
      { write: { path: 'one.txt', content: 'one' } },
      { write: { path: 'two.txt', content: 'two' } },
      { run: 'pwd > where.txt; git add two.txt; git commit -qm "from afar"' },
      { hold: 'cut', text: 'all is done' },
    ];
    const { id } = await world.submitOne(acts, { backend: far(world.agent) });
    await askedTimes(world, 4);
    const task = await world.task(id, 'T1', 'working');
    const rows = (await world.gantry(['agents', '--json'])).json() as {
      readonly host: string | null;
      readonly task: string | null;
    }[];
    expect(rows.filter((row) => row.task === task.id).map(({ host }) => host)).toEqual(['far']);

    cable.cut();
    await nodeIs(world, 'far', 'away');
    await world.agent.release('cut');
    // The turn ends while nobody listens.
    await until(
      async () =>
        (await readFile(join(world.root, 'agent.log'), 'utf8')).includes('"kind":"turn-ended"') ? true : null,
      { everyMs: 20, limitMs: LIMIT_MS },
      () => new Error('the turn did not end'),
    );
    expect((await world.task(id)).state).toBe('working');
    cable.mend();
    expect(await world.over(id)).toMatchObject({ state: 'done' });

    const branch = `gantry/${id.slice('req_'.length)}`;
    for (const [file, content] of [
      ['one.txt', 'one'],
      ['two.txt', 'two'],
    ] as const)
      expect(await world.project.git(['show', `${branch}:${file}`])).toBe(content);
    expect(await world.project.git(['log', '--format=%s', branch])).toContain('from afar');
    expect(await world.project.git(['show', `${branch}:where.txt`])).toContain(join(node.home, 'node', 'checkouts'));
    const tools = world.journal.facts.filter(({ kind }) => kind === 'tool.started' || kind === 'tool.ended');
    expect(tools.map(({ kind, data }) => `${kind} ${'tool' in data ? data.tool : ''}`)).toEqual([
      ...['tool.started write', 'tool.ended write', 'tool.started write', 'tool.ended write'],
      ...['tool.started bash', 'tool.ended bash'],
    ]);
    expect(world.journal.facts.filter(({ kind }) => kind === 'turn.ended')).toHaveLength(1);
    // Paths are those of the plane: nobody has to know where the agent was.
    const changed = world.journal.facts.flatMap(({ kind, data }) => (kind === 'file.changed' ? [data.path] : []));
    for (const path of changed) expect(path.startsWith(join(world.home, 'workspaces'))).toBe(true);
  });

  scenario(
    'that is away longer than its lease has lost its work to a new attempt',
    { ...onFar(1_000), deaths: 1 },
    async (world) => {
      await using cable = await cableTo(world.client.url);
      await using _ = await farNode(world, { url: cable.url, token: await tokenFor(world, 'far'), name: 'far' });
      await nodeIs(world, 'far', 'connected');
      const acts = [
        { write: { path: 'one.txt', content: 'one' } },
        { hold: 'late', run: 'echo late > late.txt' },
        { text: 'done' },
      ];
      const { id } = await world.submitOne(acts, { backend: far(world.agent) });
      await askedTimes(world, 2);
      cable.cut();
      await nodeIs(world, 'far', 'expected');
      // It waits for the node, and no attempt is spent on one that is not there.
      const task = await world.task(id, 'T1', 'deferred', 'ready');
      expect(task.attempts).toBe(1);
      const queued = async (): Promise<true | null> =>
        (await world.gantry(['explain', task.id])).stdout.includes('node far is not connected') ? true : null;
      await until(
        queued,
        { everyMs: 50, limitMs: LIMIT_MS },
        () => new Error('it is not said what the task waits for'),
      );
      cable.mend();
      await nodeIs(world, 'far', 'connected');
      await world.agent.release('late');
      expect(await world.over(id)).toMatchObject({ state: 'done' });
      const attempts = [...world.journal.view.attempts.values()].map(({ state }) => state);
      expect(attempts).toHaveLength(2);
      expect(attempts.at(-1)).toBe('done');
      // What it had done by then was not lost with it.
      expect(await world.project.git(['show', `gantry/${id.slice('req_'.length)}:one.txt`])).toBe('one');
      expect(world.journal.facts.filter(({ kind }) => kind === 'turn.ended')).toHaveLength(1);
    },
  );

  scenario(
    'may do nothing but work: it reads nothing, and comes in by its own name only',
    onFar(60_000),
    async (world) => {
      const token = await tokenFor(world, 'far');
      const { url } = world.client;
      for (const path of ['/api/v1/requests', '/api/v1/agents', '/api/v1/messages', '/mcp']) {
        const { status } = await fetch(`${url}${path}`, { headers: { Authorization: `Bearer ${token}` } });
        expect([path, status]).toEqual([path, 403]);
      }
      for (const [name, given, exitCode, words] of [
        ['other', token, 3, 'the token is for a node named "far"'],
        ['far', await tokenFor(world, 'cli', 'operate'), 3, 'gantry token --scope node'],
        ['far', 'gty_none', 4, 'does not know the token'],
      ] as const) {
        await using refused = await farNode(world, { url, token: given, name });
        await once(refused.process, 'exit');
        expect([name, refused.process.exitCode]).toEqual([name, exitCode]);
        expect(refused.said()).toContain(words);
      }
    },
  );

  scenario(
    'whose token is revoked is out at once, and so are the agents that run there',
    { ...onFar(60_000), deaths: 1 },
    async (world) => {
      const { url } = world.client;
      await using node = await farNode(world, { url, token: await tokenFor(world, 'far'), name: 'far' });
      await nodeIs(world, 'far', 'connected');
      const acts = [{ run: 'printenv GANTRY_TOKEN > token.txt' }, { hold: 'never', text: 'done' }];
      const request = await world.submitOne(acts, { backend: far(world.agent) });
      await askedTimes(world, 2);
      const checkouts = join(node.home, 'node', 'checkouts');
      const [file = ''] = (await readdir(checkouts, { recursive: true })).filter((p) => p.endsWith('/token.txt'));
      const token = (await readFile(join(checkouts, file), 'utf8')).trim();
      // The agent's own conversation with the daemon.
      await using mcp = await httpClient(world, { token });
      expect(await mcp.tool('messages_list')).toMatchObject({ isError: false });

      const tokens = (await world.gantry(['token', '--list', '--json'])).json() as readonly TokenInfo[];
      const named = (name: string): string | undefined => tokens.find((one) => one.name === name)?.id;
      expect(named('agent/project/worker/worker-1 on far')).toBeDefined();
      const over = once(node.process, 'exit');
      expect(await world.gantry(['token', '--revoke', named('far') ?? ''])).toMatchObject({ code: 0 });
      await expect(mcp.tool('messages_list')).rejects.toThrow('Unauthorized');
      await over;
      expect(node.process.exitCode).toBe(4);
      expect(node.said()).toContain('the token has ended: it was revoked or has expired');
      expect((await world.gantry(['nodes'])).stdout).toMatch(/far +expected/);
      expect(await world.gantry(['cancel', request.id])).toMatchObject({ code: 0 });
      await world.over(request.id);
    },
  );
});
