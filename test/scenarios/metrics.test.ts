import { expect, test } from 'vitest';
import { sampleEvent } from '../support/events.ts';
import { readMetrics } from '../support/prometheus.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

async function measured(world: World) {
  const made = await world.gantry(['token', '--scope', 'read', '--json']);
  const { token } = made.json() as { readonly token: string };
  const response = await fetch(`${world.client.url}/metrics`, { headers: { Authorization: `Bearer ${token}` } });
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ]);
  const families = readMetrics(await response.text());
  const samples = [...families.values()].flatMap((family) => family.samples);
  const value = (name: string, labels: Readonly<Record<string, string>> = {}): number | undefined =>
    samples.find(
      (one) => one.name === name && Object.entries(labels).every(([label, text]) => one.labels[label] === text),
    )?.value;
  return { families, value };
}

test('the metrics tell what was done, and nothing without a token', async () => {
  await using world = await World.make(fake);
  await world.up();
  expect((await fetch(`${world.client.url}/metrics`)).status).toBe(401);
  const { id } = await world.submitOne([{ write: { path: 'a.txt', content: 'x\n' } }, { text: 'made' }]);
  await world.over(id);
  await world.settled();
  const done = await measured(world);
  const { backend } = world.agent;
  expect(done.value('gantry_session_spawn_seconds_count', { backend, outcome: 'ready', start: 'cold' })).toBe(1);
  expect(done.value('gantry_assignment_latency_seconds_count', { backend, start: 'cold' })).toBe(1);
  expect(done.value('gantry_attempts_ended_total', { backend, state: 'done' })).toBe(1);
  expect(done.value('gantry_requests_ended_total', { state: 'done' })).toBe(1);
  expect(done.value('gantry_turns_total', { backend, outcome: 'done' })).toBe(1);
  expect(done.value('gantry_false_deaths_total')).toBe(0);
  expect(done.value('gantry_queue_length')).toBe(0);
  expect(done.value('gantry_journal_head')).toBeGreaterThan(10);
  expect(done.value('gantry_resident_memory_bytes')).toBeGreaterThan(10_000_000);
  expect(done.value('gantry_event_loop_lag_seconds', { quantile: '0.99' })).toBeGreaterThanOrEqual(0);
  expect(done.value('gantry_http_requests_total', { operation: 'requests.submit', status: '202' })).toBe(1);
  expect(done.value('gantry_http_requests_total', { operation: '/metrics', status: '401' })).toBe(1);
  expect(done.families.has('gantry_message_latency_seconds')).toBe(true);
  const again = await measured(world);
  expect(again.value('gantry_requests_ended_total', { state: 'done' })).toBe(1);
});

test('live sessions, their processes and their messages are measured', async () => {
  await using world = await World.make(fake);
  await world.up();
  const { id } = await world.submitOne([{ run: 'true' }, { hold: 'wait', text: 'made' }]);
  const task = await world.task(id, 'T1', 'working');
  await world.until('the tool', ({ live }) => live.size > 0);
  const now = await measured(world);
  const [project = ''] = (task.agent ?? '').split('/');
  expect(now.value('gantry_sessions', { state: 'running', role: task.role, project })).toBe(1);
  expect(now.value('gantry_tasks', { state: 'working' })).toBe(1);
  const tree = { kind: world.agent.backend };
  expect(now.value('gantry_agent_tree_memory_bytes_count', tree)).toBe(1);
  expect(now.value('gantry_agent_tree_memory_bytes_sum', tree)).toBe(now.value('gantry_agent_memory_bytes', tree));
  expect(now.value('gantry_agent_tree_cpus_count', tree)).toBeUndefined();
  const later = await measured(world);
  expect(later.value('gantry_agent_tree_memory_bytes_count', tree)).toBe(2);
  expect(later.value('gantry_agent_tree_memory_bytes_bucket', { ...tree, le: '+Inf' })).toBe(2);
  expect(later.value('gantry_agent_tree_cpus_count', tree)).toBe(1);
  await world.agent.release('wait');
  await world.over(id);
});

test('what a caller writes never becomes a label', async () => {
  await using world = await World.make(fake);
  await world.up();
  const get = (path: string) => fetch(`${world.client.url}${path}`);
  await get('/api/v1/tasks/tsk_secretvalue');
  await get('/no/such/secretvalue');
  await get('/metrics?secretvalue=1');
  const made = await world.gantry(['token', '--scope', 'ingest', '--json']);
  const { token } = made.json() as { readonly token: string };
  const post = (event: object) =>
    fetch(`${world.client.url}/in/${token}/events`, { method: 'POST', body: JSON.stringify(event) });
  await post([sampleEvent({ source_app: 'secretvalue' }), sampleEvent()]);
  await post({ source_app: 'secretvalue' });
  const { families, value } = await measured(world);
  expect([value('gantry_events_total'), value('gantry_events_refused_total', { code: 'bad_request' })]).toEqual([2, 1]);
  expect(JSON.stringify([...families.values()])).not.toContain('secretvalue');
});
