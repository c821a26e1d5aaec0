import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { Approval } from '../../src/contract/approval.ts';
import { bridgeClient } from '../support/mcp.ts';
import { scenario } from '../support/scenario.ts';
import type { World } from '../support/world.ts';

const NOT = { opencode: 'what is asked is the bridge, not the agent program' };

const pending = (world: World, ...known: readonly Approval[]): Promise<Approval> =>
  world.until('a question', ({ approvals }) =>
    [...approvals.values()].find((one) => one.state === 'pending' && !known.some(({ id }) => id === one.id)),
  );

describe('the bridge', () => {
  scenario('asks the person by the one inbox, and shows progress in the one stream', { not: NOT }, async (world) => {
    await using bridge = await bridgeClient(world);
    expect((await bridge.client.listTools()).tools.map(({ name }) => name)).toEqual([
      'ask_user',
      'request_permission',
      'pick_file',
      'report_progress',
    ]);
    const words = bridge.tool('ask_user', { question: 'Which port?' });
    const first = await pending(world);
    expect(first).toMatchObject({ backend: 'foreign', project: 'test', subject: { type: 'question' } });
    expect(await world.gantry(['answer', first.id, '8080'])).toMatchObject({ code: 0 });
    expect((await words).value).toEqual({ status: 'answered', answer: '8080', answered_by: 'person' });

    const choice = bridge.tool('ask_user', { question: 'Which?', choices: ['red', 'blue'] });
    const second = await pending(world, first);
    await expect(world.call('approvals.answer', { id: second.id, answers: [['green']] })).rejects.toMatchObject({
      code: 'bad_request',
    });
    await world.call('approvals.answer', { id: second.id, answers: [['blue']] });
    expect((await choice).value).toMatchObject({ status: 'answered', answer: 'blue' });
    const late = world.call('approvals.answer', { id: second.id, answers: [['red']] });
    await expect(late).rejects.toMatchObject({ code: 'already_answered' });

    const refused = bridge.tool('ask_user', { question: 'And now?' });
    const third = await pending(world, first, second);
    await world.call('approvals.deny', { id: third.id, reason: 'ask later' });
    expect(await refused).toMatchObject({ isError: false, value: { status: 'denied', reason: 'ask later' } });

    const said = { message: 'half way', percent: 50 };
    expect((await bridge.tool('report_progress', said)).value).toEqual({ recorded: true });
    await world.until('progress', () =>
      world.journal.facts.some((fact) => fact.kind === 'observed' && fact.data.summary === 'half way'),
    );
  });

  scenario(
    'lets nothing through that nobody allowed',
    {
      not: NOT,
      config: { policy: { default: 'ask', rules: [{ action: 'deny', tool: 'bash', pattern: 'git push*' }] } },
    },
    async (world) => {
      await using bridge = await bridgeClient(world);
      const may = (command: string, more: object = {}) =>
        bridge.tool('request_permission', { tool_name: 'Bash', input: { command }, ...more });
      const byRule = (await may('git push origin main')).value;
      expect(byRule).toMatchObject({
        behavior: 'deny',
        status: 'denied',
        answered_by: expect.stringMatching(/^policy:/),
      });
      const asked = may('make world');
      const first = await pending(world);
      await expect(world.call('approvals.allow', { id: first.id, scope: 'session' })).rejects.toMatchObject({
        code: 'bad_request',
      });
      await world.call('approvals.allow', { id: first.id });
      expect((await asked).value).toMatchObject({ behavior: 'allow', updatedInput: { command: 'make world' } });

      const denied = may('make war');
      const second = await pending(world, first);
      await world.call('approvals.deny', { id: second.id, reason: 'no wars' });
      expect((await denied).value).toMatchObject({ behavior: 'deny', message: 'no wars' });

      const alone = await may('make time', { timeout_seconds: 0.2 });
      expect(alone.value).toMatchObject({ behavior: 'deny', reason: expect.stringContaining('Nobody answered') });
      const third = await world.until('its deadline', ({ approvals }) =>
        [...approvals.values()].find(({ state }) => state === 'expired'),
      );

      const abort = new AbortController();
      const given = { tool_name: 'Bash', input: { command: 'make haste' } };
      const upon = bridge.tool('request_permission', given, { signal: abort.signal }).catch(() => 'gone');
      const last = await pending(world, first, second, third);
      abort.abort();
      expect(await upon).toBe('gone');
      await world.until('the question is taken back', ({ approvals }) => approvals.get(last.id)?.state === 'withdrawn');
    },
  );

  scenario('has files picked in its workspace only', { not: NOT }, async (world) => {
    const { root } = await world.addProject();
    await mkdir(join(root, 'docs'));
    await writeFile(join(root, 'docs', 'A plan.md'), 'plan\n');
    await writeFile(join(root, '.gitignore'), 'hidden.txt\n');
    await writeFile(join(root, 'hidden.txt'), 'not listed\n');
    await symlink('/etc/hostname', join(root, 'link.txt'));
    await world.call('projects.add', { path: root });
    await using bridge = await bridgeClient(world, root);
    const picked = bridge.tool('pick_file', { prompt: 'Which plan?' });
    const asked = await pending(world);
    const { items } = await world.call('questions.files', { id: asked.id, search: 'PLAN' });
    expect(items).toEqual(['docs/A plan.md']);
    for (const path of ['/etc/hostname', '../x', 'link.txt', '.git/config', 'docs', 'nothing.txt']) {
      const answer = world.call('approvals.answer', { id: asked.id, answers: [[path]] });
      await expect(answer, path).rejects.toMatchObject({ code: expect.stringMatching(/path_refused|bad_request/) });
    }
    await world.call('approvals.answer', { id: asked.id, answers: [['docs/A plan.md']] });
    expect((await picked).value).toMatchObject({ status: 'answered', path: 'docs/A plan.md' });

    await using elsewhere = await bridgeClient(world, world.userHome);
    expect(await elsewhere.tool('pick_file', {})).toMatchObject({ isError: true, value: { code: 'PATH_REFUSED' } });
  });

  scenario('survives the daemon, and says so when nobody is there', { not: NOT, errors: [] }, async (world) => {
    await using bridge = await bridgeClient(world);
    const asked = bridge.tool('ask_user', { question: 'Still there?' });
    const { id } = await pending(world);
    await world.kill();
    await world.up();
    await world.call('approvals.answer', { id, answers: [['yes']] });
    expect((await asked).value).toMatchObject({ status: 'answered', answer: 'yes' });
    await world.kill();
    const alone = await bridge.tool('request_permission', { tool_name: 'Bash', input: { command: 'ls' } });
    expect(alone).toMatchObject({ isError: true, value: { code: 'UNAVAILABLE', retryable: true } });
    await world.up();
  });
});
