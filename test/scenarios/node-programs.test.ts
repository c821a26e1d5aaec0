import { once } from 'node:events';
import { expect } from 'vitest';
import { claude } from '../support/claude-agent.ts';
import { farNode, nodeIs } from '../support/far-node.ts';
import { opencode } from '../support/opencode-agent.ts';
import { playOn, scenario } from '../support/scenario.ts';
import type { Act, ScriptedAgent } from '../support/scripted-agent.ts';

// One node with both real programs.
playOn(opencode, claude);

const options = {
  config: {
    backends: { 'opencode-far': { node: 'far' }, 'claude-far': { node: 'far' } },
    policy: { rules: [{ action: 'ask' as const, tool: 'bash', pattern: 'echo ran*' }] },
  },
  deaths: 2,
  limitMs: 300_000,
};

/** What waits for a person, and then for a release. Two tasks that name one file would wait for each other. */
function actsOf({ backend }: ScriptedAgent): Act[] {
  const file = (name: string): string => `${backend}-${name}.txt`;
  const tell = (text: string): Act => ({
    gantry: { tool: 'messages_send', input: { to: 'person', text: `${text} of ${backend}` } },
  });
  return [
    { write: { path: file('half'), content: backend } },
    { run: `echo ran >> ${file('ran')}` },
    tell('mark-hello'),
    { hold: 'go', run: `cp ${file('half')} ${file('whole')}` },
    tell('mark-end'),
    { text: 'whole' },
  ];
}

scenario(
  'E1 real programs work on a node, ask here, and go on after it was killed in mid-turn',
  options,
  async (world) => {
    const agents = [world.agent, ...world.others];
    const token = (await world.gantry(['token', '--scope', 'node', '--name', 'far'])).stdout.trim();
    const place = { url: world.client.url, token, name: 'far' };
    await using first = await farNode(world, place);
    await nodeIs(world, 'far', 'connected');

    const requests = await Promise.all(
      agents.map(async (agent) => {
        const words = `Do it.\n${agent.play(...actsOf(agent))}`;
        const { id } = await world.submit(words, { options: { isSingleTask: true, backend: `${agent.backend}-far` } });
        return { agent, id };
      }),
    );
    for (const { id } of requests) {
      const approval = await world.until(`the question of ${id}`, ({ approvals }) =>
        [...approvals.values()].find(({ requestId, state }) => requestId === id && state === 'pending'),
      );
      expect(await world.gantry(['approve', approval.id])).toMatchObject({ code: 0 });
    }
    const told = (words: string) =>
      world.until(words, ({ messages }) => [...messages.values()].find(({ text }) => text.includes(words)));
    for (const { backend } of agents) await told(`mark-hello of ${backend}`);

    const over = once(first.process, 'exit');
    first.process.kill('SIGKILL');
    await over;
    await using _ = await farNode(world, { ...place, root: first.root });
    for (const { agent, id } of requests) {
      await world.until('the next attempt', ({ attempts }) =>
        [...attempts.values()].some((a) => a.requestId === id && a.number === 2 && a.state === 'working'),
      );
      await agent.release('go');
    }
    for (const { agent, id } of requests) {
      expect(await world.over(id)).toMatchObject({ state: 'done' });
      await told(`mark-end of ${agent.backend}`);
      const branch = `gantry/${id.slice('req_'.length)}`;
      expect(await world.project.git(['show', `${branch}:${agent.backend}-whole.txt`])).toBe(agent.backend);
      // The command that was asked about ran once, and the conversation is the same.
      expect(await world.project.git(['show', `${branch}:${agent.backend}-ran.txt`])).toBe('ran');
      const last = (await agent.requests()).at(-1);
      for (const words of ['You carry out one task', 'Your work was interrupted'])
        expect(last?.text.split(words), words).toHaveLength(2);
    }
    const origins = world.journal.facts.flatMap(({ kind, data }) =>
      kind === 'session.changed' && data.from === 'starting' && data.to === 'running' ? [data.cause] : [],
    );
    expect(origins).toEqual(['new session', 'new session', 'resumed session', 'resumed session']);
  },
);
