import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { readAdminToken } from '../../src/daemon/tokens-file.ts';
import { type BenchDaemon, type BenchHome, benchHome } from './bench-home.ts';
import { type Measure, type Row, sampled } from './report.ts';
import { repeat, timed } from './sample.ts';

const CLIENTS = 32;
const EVENTS = 10_000;
/** What a step of the agent tells: its words, and two tools. */
const EVENTS_A_STEP = 3;

/** The task server, as its callers have it. */
export const mcp: Measure = {
  name: 'mcp',
  title: 'A tool call over MCP',
  how: `The official client over streamable HTTP, in this process, against the built daemon: one client, then ${CLIENTS} at once that each call again as soon as they are answered. The history is of a task with more than ${EVENTS.toLocaleString('en-US')} events: its newest 100, and all of them.`,
  run: async ({ isQuick }) => {
    await using home = await benchHome({
      defaultBackend: 'fake',
      backends: { fake: {} },
      policy: { default: 'allow' },
    });
    await using daemon = await home.up();
    await using stack = new AsyncDisposableStack();
    const clients = await repeat(CLIENTS, async () => {
      const client = await connected(home, daemon);
      stack.defer(() => client.close());
      return client;
    });
    const [first] = clients;
    if (!first) throw new Error('there is no client');
    const events = isQuick ? EVENTS / 10 : EVENTS;
    const task_id = await longTask(first, events);
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

/** A task of many events that has ended. */
async function longTask(client: Client, events: number): Promise<string> {
  const step = { say: 'says what it does', tools: [{ name: 'look' }, { name: 'look' }] };
  const steps = Array.from({ length: Math.ceil(events / EVENTS_A_STEP) }, () => step);
  const task_description = `Go. @@fake ${JSON.stringify([...steps, { text: 'done' }])}`;
  const given = { agent_id: 'bench', task_description, sync: true, wait_ms: 280_000, timeout_ms: 280_000 };
  const { task_id, status } = await call(client, 'opencode_execute_task', given);
  if (status !== 'completed') throw new Error(`the task of the benchmark is ${String(status)}`);
  return String(task_id);
}
