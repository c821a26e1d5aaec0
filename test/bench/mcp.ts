import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import type { TaskId } from '../../src/contract/ids.ts';
import { readAdminToken } from '../../src/daemon/tokens-file.ts';
import { Store } from '../../src/store/store.ts';
import { fakeConfig } from './agents.ts';
import { type BenchDaemon, type BenchHome, benchHome } from './bench-home.ts';
import { type Measure, type Row, sampled } from './report.ts';
import { repeat, timed } from './sample.ts';

const CLIENTS = 32;
const EVENTS = 10_000;

/** The task server, as its callers have it. */
export const mcp: Measure = {
  name: 'mcp',
  title: 'A tool call over MCP',
  how: `The official client over streamable HTTP, in this process, against the built daemon: one client, then ${CLIENTS} at once that each call again as soon as they are answered. The history is of a task with more than ${EVENTS.toLocaleString('en-US')} events: its newest 100, and all of them.`,
  run: async ({ isQuick }) => {
    await using home = await benchHome(fakeConfig);
    const events = isQuick ? EVENTS / 10 : EVENTS;
    const task_id = await longTask(home, events);
    await using daemon = await home.up();
    await using stack = new AsyncDisposableStack();
    const clients = await repeat(CLIENTS, async () => {
      const client = await connected(home, daemon);
      stack.defer(() => client.close());
      return client;
    });
    const [first] = clients;
    if (!first) throw new Error('there is no client');
    const total = Number((await call(first, 'get_task_history', { task_id, events_limit: 1 })).events_total);
    if (total < events) throw new Error(`the task has ${total} events`);
    const shown = total.toLocaleString('en-US');
    const calls = [
      ['ping', 'ping', {}, 200],
      ['get_task_status', 'get_task_status', { task_id }, 100],
      [`get_task_history, 100 of ${shown} events`, 'get_task_history', { task_id, events_offset: total - 100 }, 20],
      [`get_task_history, all ${shown} events`, 'get_task_history', { task_id, events_limit: -1 }, 10],
    ] as const;
    const rows: Row[] = [];
    for (const [what, tool, args, n] of calls) {
      for (const group of [[first], clients]) {
        const each = isQuick ? 3 : Math.max(3, Math.round(n / Math.sqrt(group.length)));
        const times = await Promise.all(
          group.map((client) => repeat(each, () => timed(() => call(client, tool, args)))),
        );
        rows.push(sampled(`${what}, ${group.length === 1 ? '1 client' : `${CLIENTS} clients`}`, 'ms', times.flat()));
      }
    }
    return rows;
  },
};

async function connected({ root }: BenchHome, daemon: BenchDaemon): Promise<Client> {
  const client = new Client({ name: 'bench', version: '1.0.0' });
  const requestInit = { headers: { Authorization: `Bearer ${readAdminToken(root)}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${daemon.client.url}/mcp`), { requestInit }));
  return client;
}

async function call(client: Client, name: string, args: Record<string, unknown>): Promise<Record<string, unknown>> {
  const { isError, structuredContent } = await client.callTool({ name, arguments: args }, { timeout: 300_000 });
  if (isError || !structuredContent) throw new Error(`${name} failed`);
  return structuredContent as Record<string, unknown>;
}

/** A task that has ended, with many events: what its agent said is written while no daemon runs, which is soonest. */
async function longTask(home: BenchHome, events: number): Promise<string> {
  const { view, subject } = await endedTask(home);
  const store = Store.open({ dir: home.root, clock: systemClock, log: silentLog });
  try {
    const data = { partId: 'part', text: 'says what it does', isTruncated: false };
    await store.observe(Array.from({ length: events }, () => ({ kind: 'text', data, actor: 'fake', subject })));
  } finally {
    await store.close();
  }
  return view.id;
}

async function endedTask(home: BenchHome) {
  await using daemon = await home.up();
  const { client } = daemon;
  const given = { callerId: 'bench', description: `Go. @@fake ${JSON.stringify([{ text: 'done' }])}` };
  let { view } = await client.call('delegations.submit', given);
  while (view.status === 'queued' || view.status === 'running')
    ({ view } = await client.call('delegations.get', { id: view.id, since: 0, waitMs: 20_000 }));
  if (view.status !== 'completed') throw new Error(`the task of the benchmark is ${view.status}`);
  const { attempts } = await client.call('tasks.get', { id: view.taskId as TaskId });
  const [attempt] = attempts;
  const { requestId, taskId } = view;
  return {
    view,
    subject: { requestId, taskId, attemptId: attempt?.id ?? null, sessionId: attempt?.sessionId ?? null },
  };
}
