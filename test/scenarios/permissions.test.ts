import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { Approval } from '../../src/contract/approval.ts';
import { httpClient, tokenOf } from '../support/mcp.ts';
import { scenario } from '../support/scenario.ts';
import type { World } from '../support/world.ts';

const ASK = 'echo ran >> runs.txt';
const asking = {
  config: {
    policy: { default: 'allow' as const, rules: [{ action: 'ask' as const, tool: 'bash', pattern: 'echo ran*' }] },
  },
};

/** The newest question that waits for a person, other than these. */
const pending = (world: World, ...known: readonly Approval[]): Promise<Approval> =>
  world.until('an approval', ({ approvals }) =>
    [...approvals.values()].find((a) => a.state === 'pending' && !known.some(({ id }) => id === a.id)),
  );

describe('permissions (C5)', () => {
  scenario('a read-only reviewer cannot write and cannot push', {}, async (world) => {
    const { id } = await world.submitOne(
      [
        { write: { path: 'sneaky.txt', content: 'x\n' } },
        { run: 'echo x > sneakier.txt' },
        { run: 'git push origin HEAD:refs/heads/sneaky' },
        { text: 'looked at it' },
      ],
      { role: 'reviewer' },
    );
    const request = await world.over(id);
    expect(request.result?.branch ?? null).toBeNull();
    expect(await world.project.git(['ls-remote', '--heads', 'origin'])).not.toContain('sneaky');
    const tools = world.journal.facts.filter((fact) => fact.kind === 'tool.ended');
    expect(tools.map(({ data }) => data.status)).toEqual(['error', 'error', 'error']);
    expect(world.journal.facts.filter(({ kind }) => kind === 'file.changed')).toEqual([]);
  });

  scenario(
    'a yes for once lets the exact command run once; a no reaches the next request of the agent',
    asking,
    async (world) => {
      const { id } = await world.submitOne([{ run: ASK }, { run: ASK }, { run: 'cat runs.txt' }, { text: 'end' }]);
      const first = await pending(world);
      const shown = (await world.gantry(['approvals', '--json'])).json() as readonly Approval[];
      expect(shown).toHaveLength(1);
      expect(shown[0]).toMatchObject({
        id: first.id,
        subject: { type: 'permission', call: { tool: 'bash', command: ASK } },
      });
      const asked = world.journal.facts.find((fact) => fact.kind === 'approval.changed');
      const tool = world.journal.facts.find((fact) => fact.kind === 'tool.started');
      expect((asked?.at ?? 0) - (tool?.at ?? 0)).toBeLessThan(20_000);
      expect(await world.gantry(['approve', first.id])).toMatchObject({ code: 0 });

      const second = await pending(world, first);
      expect(second.id).not.toBe(first.id);
      expect(await world.gantry(['deny', second.id, '--reason', 'mark-no: once is enough'])).toMatchObject({ code: 0 });
      expect(await world.over(id)).toMatchObject({ state: 'done' });
      expect(await world.project.git(['show', `gantry/${id.slice('req_'.length)}:runs.txt`])).toBe('ran');
      const requests = await world.agent.requests();
      expect(requests.findIndex(({ text }) => text.includes('mark-no'))).toBe(2);

      const late = await world.gantry(['approve', second.id, '--json']);
      expect(late).toMatchObject({ code: 1 });
      expect(late.json()).toMatchObject({ error: { code: 'already_answered' } });
      expect(world.journal.view.approvals.get(second.id)).toMatchObject({ state: 'denied', decidedBy: 'person' });
    },
  );

  scenario(
    'a question that nobody answers is denied at its limit, and the turn ends properly',
    {
      config: { ...asking.config, limits: { approvalTimeout: 1_000 } },
    },
    async (world) => {
      const { id } = await world.submitOne([{ run: ASK }, { text: 'did without' }]);
      const approval = await world.until('the limit', ({ approvals }) =>
        [...approvals.values()].find(({ state }) => state === 'expired'),
      );
      expect(approval).toMatchObject({ decidedBy: 'deadline', decision: { type: 'deny' } });
      expect(await world.over(id)).toMatchObject({ state: 'done', result: { branch: null } });
      const requests = await world.agent.requests();
      expect(requests[1]?.text).toContain(approval.cause ?? 'a cause');
    },
  );

  scenario('what a sub-agent asks comes to the same inbox, and its answer goes back', asking, async (world) => {
    const { id } = await world.submitOne([{ child: true, run: ASK }, { text: 'end' }]);
    const approval = await pending(world);
    expect(approval).toMatchObject({ isFromChild: true, subject: { call: { command: ASK } } });
    expect(await world.gantry(['approve', approval.id])).toMatchObject({ code: 0 });
    expect(await world.over(id)).toMatchObject({ state: 'done' });
    expect(await world.project.git(['show', `gantry/${id.slice('req_'.length)}:runs.txt`])).toBe('ran');
    const told = world.journal.facts.flatMap(({ kind, data }) => {
      if (kind === 'child.started') return [[data.nativeId, 'started']];
      return kind === 'child.state' ? [[data.nativeId, data.state]] : [];
    });
    expect(told).toEqual(['started', 'running', 'done'].map((state) => [approval.childId, state]));
  });

  scenario('a yes for the session holds in it, and another one asks', asking, async (world) => {
    const first = await world.submitOne([{ run: ASK }, { run: ASK }, { text: 'end' }]);
    const asked = await pending(world);
    expect(await world.gantry(['approve', asked.id, '--for', 'session'])).toMatchObject({ code: 0 });
    expect(await world.over(first.id)).toMatchObject({ state: 'done' });
    expect(await world.project.git(['show', `gantry/${first.id.slice('req_'.length)}:runs.txt`])).toBe('ran\nran');
    const second = await world.submitOne([{ run: ASK }, { text: 'end' }]);
    const again = await pending(world);
    expect(again.requestId).toBe(second.id);
    expect(await world.gantry(['approve', again.id])).toMatchObject({ code: 0 });
    expect(await world.over(second.id)).toMatchObject({ state: 'done' });
    expect([...world.journal.view.approvals.values()].map(({ id }) => id)).toEqual([asked.id, again.id]);
  });

  scenario(
    'two agents in two directories ask at once, and are answered on two ways; a third is told',
    asking,
    async (world) => {
      const { root } = await world.addProject();
      const words = `Do it.\n${world.agent.play({ run: ASK }, { text: 'end' })}`;
      const asks = [world.project.root, root].map((project) =>
        world.submit(words, { project, options: { isSingleTask: true } }),
      );
      const [one, two] = await world.until('both questions', ({ approvals }) => {
        const open = [...approvals.values()].filter(({ state }) => state === 'pending');
        return open.length === 2 && open;
      });
      if (!one || !two) throw new Error('there is no question');
      const { items } = await world.call('approvals.list', {});
      expect(items.map(({ id }) => id).sort()).toEqual([one.id, two.id].sort());
      const directories = [one, two].map(
        ({ sessionId }) => world.journal.view.sessions.get(sessionId ?? '')?.directory,
      );
      expect(new Set(directories).size).toBe(2);
      expect(await world.gantry(['approve', one.id])).toMatchObject({ code: 0 });
      await using mcp = await httpClient(world, { token: await tokenOf(world, 'approve') });
      expect(await mcp.tool('approvals_allow', { id: two.id })).toMatchObject({ isError: false });
      await expect(world.call('approvals.deny', { id: two.id })).rejects.toMatchObject({
        code: 'already_answered',
        message: expect.stringMatching(/by /),
      });
      for (const asked of asks) expect(await world.over((await asked).id)).toMatchObject({ state: 'done' });
    },
  );

  scenario('a question of the agent is answered in its own words', {}, async (world) => {
    const { id } = await world.submitOne([
      { question: { question: 'Which colour?', labels: ['red', 'blue'] } },
      { text: 'heard: {{lastToolOutput}}' },
    ]);
    const approval = await pending(world);
    expect(await world.gantry(['approve', approval.id])).toMatchObject({ code: 2 });
    expect(await world.gantry(['answer', approval.id, 'blue'])).toMatchObject({ code: 0 });
    expect(await world.over(id)).toMatchObject({ state: 'done' });
    expect((await world.task(id)).result?.summary).toContain('blue');
  });

  scenario(
    'an agent sends, reads and tells how far it is by Gantry’s own MCP server, unasked and as itself',
    { not: { fake: 'it takes no MCP servers' }, config: { policy: { default: 'ask' } } },
    async (world) => {
      const { id } = await world.submitOne([
        { gantry: { tool: 'messages_send', input: { to: 'person', text: 'mark-hello' } } },
        { gantry: { tool: 'progress_report', input: { message: 'mark-half', percent: 50 } } },
        { gantry: { tool: 'messages_list', input: {} } },
        { text: 'heard: {{lastToolOutput}}' },
      ]);
      expect(await world.over(id)).toMatchObject({ state: 'done' });
      const { agent, result } = await world.task(id);
      expect(result?.summary).toContain('mark-hello');
      const sent = [...world.journal.view.messages.values()].find(({ text }) => text === 'mark-hello');
      expect(sent).toMatchObject({ from: agent, to: 'person' });
      const told = world.journal.facts.find((fact) => fact.kind === 'observed' && fact.data.summary === 'mark-half');
      expect(told).toMatchObject({ agent, sessionId: expect.any(String), data: { source_app: agent } });
      expect([...world.journal.view.approvals.values()].filter(({ requestId }) => requestId === id)).toEqual([]);
    },
  );

  scenario('an agent cannot answer by its own token', asking, async (world) => {
    const { id } = await world.submitOne([
      { run: `printf '%s %s' "$GANTRY_URL" "$GANTRY_TOKEN" > identity.txt` },
      { run: ASK },
      { text: 'end' },
    ]);
    const approval = await pending(world);
    const session = world.journal.view.sessions.get(approval.sessionId ?? '');
    const identity = await readFile(join(session?.directory ?? '', 'identity.txt'), 'utf8');
    const [url, token] = identity.split(' ');
    const env = { GANTRY_URL: String(url), GANTRY_TOKEN: String(token) };
    expect(env.GANTRY_URL).toBe(world.client.url);
    const seen = await world.gantry(['approvals', '--json'], { env });
    expect(seen).toMatchObject({ code: 0 });
    for (const args of [
      ['approve', approval.id],
      ['deny', approval.id],
      ['approve', approval.id, '--for', 'project'],
    ]) {
      expect(await world.gantry(args, { env }), args.join(' ')).toMatchObject({ code: 3, stdout: '' });
    }
    await using mcp = await httpClient(world, { token: env.GANTRY_TOKEN });
    const { tools } = await mcp.client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(['messages_send', 'progress_report']));
    expect(tools.filter(({ name }) => /approvals|grants|task_control|requests/.test(name))).toEqual([]);
    const own = { approval_id: approval.id, id: approval.id, decision: 'once' };
    for (const name of ['approvals_allow', 'answer_approval']) {
      expect(await mcp.tool(name, own), name).toMatchObject({ isError: true });
    }
    expect(world.journal.view.approvals.get(approval.id)?.state).toBe('pending');
    expect(await world.gantry(['deny', approval.id])).toMatchObject({ code: 0 });
    expect(await world.over(id)).toMatchObject({ state: 'done' });
  });
});
