import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect } from 'vitest';
import { until } from '../../src/base/wait.ts';
import { leftovers } from '../support/leftovers.ts';
import { httpClient, type McpClient, tokenOf } from '../support/mcp.ts';
import { scenario } from '../support/scenario.ts';
import type { Act } from '../support/scripted-agent.ts';
import type { World } from '../support/world.ts';

const agent_id = 'agent-a';

const describeWork = (world: World, ...acts: readonly Act[]): string => `Do it.\n${world.agent.play(...acts)}`;

/** Begins a task and waits until its agent works. */
async function begin({ tool }: McpClient, world: World, acts: readonly Act[], more: object = {}): Promise<string> {
  const args = { agent_id, task_description: describeWork(world, ...acts), ...more };
  const { value } = await tool('opencode_execute_task', args);
  expect(value).toEqual({ task_id: expect.any(String), status: 'queued', message: 'Task queued for execution' });
  return value.task_id as unknown as string;
}

async function inStatus({ tool }: McpClient, task_id: string, status: string): Promise<Record<string, never>> {
  return until(
    async () => {
      const { value } = await tool('get_task_status', { task_id });
      return value.status === status ? value : null;
    },
    { everyMs: 20, limitMs: 60_000 },
    () => new Error(`${task_id} was never ${status}`),
  );
}

const ended = async ({ tool }: McpClient, task_id: string): Promise<Record<string, never>> =>
  (await tool('wait_task', { task_id, wait_ms: 60_000 })).value;

describe('controls of a delegated task', () => {
  scenario('pause, resume and cancel reach the agent that runs', {}, async (world) => {
    await using mcp = await httpClient(world, { token: await tokenOf(world) });
    const task_id = await begin(mcp, world, [
      { run: 'true', text: 'first' },
      { hold: 'go', text: 'went on' },
    ]);
    await inStatus(mcp, task_id, 'running');
    expect((await mcp.tool('send_task_control', { task_id, control: 'resume' })).value).toMatchObject({
      error: 'Cannot resume task with status: running',
      code: 'ILLEGAL_STATE',
      status: 409,
    });
    const paused = await mcp.tool('send_task_control', { task_id, control: 'pause', reason: 'a break' });
    expect(paused.value).toEqual({ task_id, control: 'pause', previous_status: 'running', new_status: 'paused' });
    const pausedAt = Date.now();
    await world.agent.release('go');
    const resumedAt = Date.now();
    expect((await mcp.tool('send_task_control', { task_id, control: 'resume' })).value).toMatchObject({
      previous_status: 'paused',
      new_status: expect.stringMatching(/running|queued/),
    });
    expect(await ended(mcp, task_id)).toMatchObject({ status: 'completed' });
    const asked = await world.agent.requests();
    expect(asked.filter(({ at }) => at > pausedAt && at < resumedAt)).toEqual([]);
    expect(asked.some(({ at }) => at >= resumedAt)).toBe(true);
    expect(new Set(asked.map(({ nativeId }) => nativeId)).size).toBe(1);
    const limits = world.journal.facts.flatMap((fact) =>
      fact.kind === 'attempt.changed' ? [fact.data.row.deadlineAt] : [],
    );
    expect((limits.at(-1) ?? 0) - (limits[0] ?? 0)).toBeGreaterThanOrEqual(resumedAt - pausedAt);
    const { value } = await mcp.tool('get_task_history', { task_id });
    const types = (value.events as unknown as { type: string }[]).map(({ type }) => type);
    expect(types.filter((type) => type !== 'task_progress')).toEqual([
      'task_started',
      'task_paused',
      'task_resumed',
      'task_completed',
    ]);

    const other = await begin(mcp, world, [{ run: 'sleep 300' }, { text: 'never' }]);
    await inStatus(mcp, other, 'running');
    const cancelled = await mcp.tool('send_task_control', { task_id: other, control: 'cancel', reason: 'no need' });
    expect(cancelled.value).toEqual({
      task_id: other,
      control: 'cancel',
      previous_status: 'running',
      new_status: 'cancelled',
      stopped: true,
    });
    expect(await world.strangers()).toEqual([]);
    const again = await mcp.tool('send_task_control', { task_id: other, control: 'cancel' });
    expect(again.value).toMatchObject({ previous_status: 'cancelled', new_status: 'cancelled' });
    const late = await mcp.tool('send_task_message', { task_id: other, message: 'hello' });
    expect(late).toMatchObject({ isError: true });
    expect(late.value).toMatchObject({ error: 'Cannot send message to task with status: cancelled' });
    const events = (await mcp.tool('get_task_history', { task_id: other })).value.events as unknown as object[];
    expect(events.filter((event) => 'type' in event && event.type === 'task_cancelled')).toHaveLength(1);
  });

  scenario('a time limit ends the agent that talks on', {}, async (world) => {
    await using mcp = await httpClient(world, { token: await tokenOf(world) });
    const args = {
      agent_id,
      task_description: describeWork(world, { run: 'sleep 300' }),
      timeout_ms: 3_000,
      sync: true,
    };
    const { value, isError } = await mcp.tool('opencode_execute_task', args);
    expect(isError).toBe(false);
    expect(value).toMatchObject({ status: 'timeout', error: 'Task execution timed out' });
    expect(Number(value.duration_ms)).toBeGreaterThanOrEqual(args.timeout_ms);
    const { task_id } = value;
    const { value: history } = await mcp.tool('get_task_history', { task_id, include_artifacts: true });
    expect((history.events as unknown as object[]).at(-1)).toMatchObject({ type: 'task_timeout' });
    expect(history.artifacts).toMatchObject([{ type: 'error', name: 'execution_error' }]);
    await world.settled();
  });
});

describe('messages to a delegated task', () => {
  scenario(
    'reach the model of a task that runs, and of one that still waits',
    { config: { limits: { maxParallel: 1 } } },
    async (world) => {
      await using mcp = await httpClient(world, { token: await tokenOf(world) });
      const running = await begin(mcp, world, [{ hold: 'go', text: 'did it' }]);
      await inStatus(mcp, running, 'running');
      const waiting = await begin(mcp, world, [{ text: 'did that' }]);
      expect(await inStatus(mcp, waiting, 'queued')).toMatchObject({ queue_position: 1 });
      expect((await mcp.tool('send_task_control', { task_id: waiting, control: 'pause' })).value).toMatchObject({
        error: 'Cannot pause task with status: queued',
      });
      const types = [
        'update',
        'feedback',
        'context_change',
        'requirement_change',
        'priority_change',
        'clarification',
        'correction',
        'guidance',
      ];
      const ids = new Set<unknown>();
      for (const message_type of types) {
        const args = { task_id: running, message: `mark-${message_type}`, message_type, metadata: { from: 'a test' } };
        const { value } = await mcp.tool('send_task_message', args);
        expect(value).toMatchObject({ task_id: running, delivery: 'queued', timestamp: expect.any(Number) });
        ids.add(value.message_id);
      }
      expect(ids.size).toBe(types.length);
      await mcp.tool('send_task_message', { task_id: waiting, message: 'mark-early' });
      const sooner = { message: 'mark-soon', message_type: 'priority_change', metadata: { priority: 1 } };
      await mcp.tool('send_task_message', { task_id: waiting, ...sooner });
      await world.until('the new priority', ({ tasks }) => [...tasks.values()].some(({ priority }) => priority === 1));
      await world.agent.release('go');
      expect(await ended(mcp, running)).toMatchObject({ status: 'completed' });
      expect(await ended(mcp, waiting)).toMatchObject({ status: 'completed' });
      const told = (await world.agent.requests()).map(({ text }) => text).join('\n');
      for (const message_type of types) expect(told).toContain(`[${message_type}] mark-${message_type}`);
      expect(told).toContain('[update] mark-early');
      const { value } = await mcp.tool('get_task_history', { task_id: running });
      const noted = (value.events as unknown as { type: string; data: object; message: string }[]).filter(
        ({ message }) => message.startsWith('mark-'),
      );
      expect(noted.map(({ type }) => type)).toEqual([
        'task_progress',
        'task_feedback',
        'task_runtime_update',
        'task_runtime_update',
        'task_runtime_update',
        'task_feedback',
        'task_feedback',
        'task_feedback',
      ]);
      expect(noted[1]?.data).toMatchObject({ from: 'a test', message_type: 'feedback' });
    },
  );

  scenario(
    'of type approval answer what it asks, with a token that may approve',
    { config: { policy: { default: 'ask' } } },
    async (world) => {
      await using mcp = await httpClient(world, { token: await tokenOf(world) });
      await using approver = await httpClient(world, { token: await tokenOf(world, 'admin') });
      const task_id = await begin(mcp, world, [{ run: 'touch made.txt' }, { run: 'touch more.txt' }, { text: 'done' }]);
      const asked = async (): Promise<string> =>
        until(
          async () => {
            const { value } = await mcp.tool('list_approvals', { task_id });
            const [first] = value.approvals as unknown as { approval_id: string }[];
            return first?.approval_id ?? null;
          },
          { everyMs: 20, limitMs: 60_000 },
          () => new Error('nothing was asked'),
        );
      const first = await asked();
      expect((await mcp.tool('get_task_status', { task_id })).value).toMatchObject({
        status: 'running',
        blocked_on: { kind: 'approval', id: first },
      });
      const args = { task_id, message: 'approve it', message_type: 'approval' };
      expect((await mcp.tool('send_task_message', args)).value).toMatchObject({ code: 'FORBIDDEN' });
      expect((await approver.tool('send_task_message', args)).value).toMatchObject({ approval_id: first });
      await until(
        async () => ((await asked()) === first ? null : true),
        { everyMs: 20, limitMs: 60_000 },
        () => new Error('once was more than once'),
      );
      const second = await asked();
      expect((await mcp.tool('answer_approval', { approval_id: second, decision: 'deny' })).value).toMatchObject({
        code: 'FORBIDDEN',
      });
      const denied = await approver.tool('answer_approval', {
        approval_id: second,
        decision: 'deny',
        message: 'mark-no',
      });
      expect(denied.value).toEqual({ approval_id: second, status: 'denied' });
      await ended(mcp, task_id);
      const told = (await world.agent.requests()).map(({ text }) => text).join('\n');
      expect(told).toContain('mark-no');
      const { value } = await mcp.tool('get_task_files', { task_id });
      expect(value.files).toEqual(['made.txt']);
    },
  );
});

describe('files of a delegated task', () => {
  scenario('are read during and after the run, and nothing else is', {}, async (world) => {
    await using mcp = await httpClient(world, { token: await tokenOf(world) });
    const bytes = randomBytes(256).toString('base64');
    const script = [
      'mkdir -p sub',
      `printf %s ${bytes} | base64 -d > sub/data.bin`,
      'ln -s /etc/passwd leak',
      'ln -s ../../.. up',
      'echo SECRET > .env',
      'mkfifo pipe',
      'truncate -s 2M huge',
      'truncate -s 1G giant',
      // Only root can make one.
      '(mknod device c 1 5 || ln -s /dev/zero device)',
    ].join(' && ');
    const task_id = await begin(mcp, world, [
      { write: { path: '--help', content: 'a flag\n' } },
      { run: script },
      { hold: 'go', run: 'rm device pipe giant' },
      { text: 'made' },
    ]);
    await world.until(
      'the script',
      ({ seq }) =>
        seq > 0 && world.journal.facts.some((fact) => fact.kind === 'tool.ended' && fact.data.title.includes('mkfifo')),
    );
    const giant = await mcp.tool('read_task_file', { task_id, file_path: 'giant' });
    expect(giant.value).toMatchObject({
      error: expect.stringContaining('giant (1073741824 bytes exceeds limit of 1000000 bytes)'),
      code: 'FILE_TOO_LARGE',
    });
    const { value: shown } = await mcp.tool('get_task_diff', { task_id });
    expect(shown.diff).toContain('Binary files /dev/null and b/giant differ');
    const { entries } = (await mcp.tool('get_task_files', { task_id, path: 'giant' })).value;
    expect(entries).toMatchObject([{ path: 'giant', size: 1_073_741_824 }]);
    // Gone when it ends: no commit holds them.
    let special = ['pipe', 'device'];
    for (const isOver of [false, true]) {
      if (isOver) {
        await world.agent.release('go');
        expect(await ended(mcp, task_id)).toMatchObject({ status: 'completed' });
      }
      const read = (file_path: string) => mcp.tool('read_task_file', { task_id, file_path });
      const { value: listed } = await mcp.tool('get_task_files', { task_id });
      expect(listed.files).toEqual(expect.arrayContaining(['--help', 'leak', 'sub/data.bin', 'up']));
      expect((await mcp.tool('get_task_files', { task_id, path: '/sub/' })).value.files).toEqual(['sub/data.bin']);
      expect((await read('--help')).value).toMatchObject({ content: 'a flag\n', size: 7 });
      expect((await read('sub/data.bin')).value).toMatchObject({ content: bytes, encoding: 'base64', size: 256 });
      expect((await read('huge')).value).toMatchObject({
        error:
          'Failed to read file: File too large: huge (2097152 bytes exceeds limit of 1000000 bytes). Configure MAX_TASK_FILE_SIZE environment variable to increase limit.',
        code: 'FILE_TOO_LARGE',
        status: 413,
      });
      const refused = ['leak', '../x', '/etc/passwd', '.git', '.GIT/config', '.env', 'sub', 'a\0b', ...special];
      special = [];
      for (const path of refused)
        expect([path, (await read(path)).value]).toMatchObject([path, { code: 'PATH_REFUSED' }]);
      const code = isOver ? 'FILE_NOT_FOUND' : 'PATH_REFUSED';
      expect((await read('up/etc/passwd')).value).toMatchObject({ code });
      expect((await read('none')).value).toMatchObject({ code: 'FILE_NOT_FOUND' });
      const { value: diff } = await mcp.tool('get_task_diff', { task_id });
      expect(diff.diff).toContain('a flag');
      expect(diff.diff).not.toContain('SECRET');
    }
    expect((await mcp.tool('read_task_file', { task_id: 'task-000000000', file_path: 'a' })).value).toMatchObject({
      error: 'Task not found: task-000000000',
      code: 'TASK_NOT_FOUND',
    });
  });

  scenario('what a task is told looks like nothing else and is in no argument list', {}, async (world) => {
    await using mcp = await httpClient(world, { token: await tokenOf(world) });
    const words = `--version -p "say 'x'" $(touch /tmp/never) \`id\` mark-secret-9\n${world.agent.play({ hold: 'go', text: 'ok' })}`;
    const { value } = await mcp.tool('opencode_execute_task', { agent_id, task_description: words });
    const task_id = value.task_id as unknown as string;
    await inStatus(mcp, task_id, 'running');
    await until(
      async () => ((await world.agent.requests()).length > 0 ? true : null),
      { everyMs: 20, limitMs: 60_000 },
      () => new Error('the model was never asked'),
    );
    for (const { pid } of await everyProcess(world)) {
      expect(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).not.toContain('mark-secret-9');
    }
    await world.agent.release('go');
    expect(await ended(mcp, task_id)).toMatchObject({ status: 'completed', output: 'ok' });
    expect((await world.agent.requests())[0]?.text).toContain(words);
  });
});

async function everyProcess(world: World): Promise<readonly { readonly pid: number }[]> {
  return [...((await leftovers(world.root)) ?? []), { pid: world.daemonPid }];
}
