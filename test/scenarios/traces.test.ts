import { expect, test } from 'vitest';
import { startReceiver } from '../support/receiver.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

type Span = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code: number };
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
};

const spansIn = (body: string): readonly Span[] => {
  const { resourceSpans } = JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] };
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
};
const attribute = (span: Span | undefined, key: string) =>
  Object.values(span?.attributes.find((one) => one.key === key)?.value ?? {})[0];

test('a request is a trace: request, task, attempt, turn, tool; its agent is told where it stands', async () => {
  await using collector = await startReceiver(() => ({ status: 200, body: '{}' }));
  await using world = await World.make(fake);
  world.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  world.env.OTEL_EXPORTER_OTLP_HEADERS = 'x-team=a%20b';
  world.env.OTEL_SERVICE_NAME = 'gantry-test';
  await world.up();
  const secret = 'words-of-the-prompt';
  const { id } = await world.submitOne(
    [{ run: 'printf %s "$TRACEPARENT" > trace.txt' }, { text: `made ${secret}` }],
    {},
    `Do ${secret}.`,
  );
  await world.over(id);
  const all = () => collector.got.flatMap(({ body }) => spansIn(body));
  await collector.until('the span of the request', () => all().some(({ name }) => name === 'gantry.request'));
  const spans = await collector.until('five spans', () => all().length >= 5 && all());
  const named = (begin: string) => spans.find(({ name }) => name.startsWith(begin));
  const chain = ['execute_tool', 'chat', 'invoke_agent', 'gantry.task', 'gantry.request'].map(named);
  for (const [i, span] of chain.entries()) {
    expect(span?.parentSpanId).toBe(chain[i + 1]?.spanId);
    expect(span?.traceId).toBe(chain[0]?.traceId);
    expect(span?.status.code).toBe(1);
    expect(BigInt(span?.endTimeUnixNano ?? 0)).toBeGreaterThanOrEqual(BigInt(span?.startTimeUnixNano ?? 1));
  }
  const [tool, turn, attempt] = chain;
  expect(attribute(tool, 'gen_ai.operation.name')).toBe('execute_tool');
  expect(attribute(tool, 'gen_ai.tool.name')).toBe('bash');
  expect(attribute(turn, 'gen_ai.operation.name')).toBe('chat');
  expect(attribute(attempt, 'gen_ai.operation.name')).toBe('invoke_agent');
  expect(Number(attribute(turn, 'gen_ai.usage.input_tokens'))).toBeGreaterThanOrEqual(0);

  expect(collector.got[0]).toMatchObject({ path: '/v1/traces', headers: { 'x-team': 'a b' } });
  expect(collector.got[0]?.body).toContain('"service.name","value":{"stringValue":"gantry-test"}');
  expect(collector.got.map(({ body }) => body).join()).not.toContain(secret);
  const told = await world.project.git(['show', `gantry/${id.slice('req_'.length)}:trace.txt`]);
  expect(told).toBe(`00-${attempt?.traceId}-${attempt?.spanId}-01`);
});

test('without an endpoint nothing is sent and agents are told nothing', async () => {
  await using world = await World.make(fake);
  await world.up();
  const { id } = await world.submitOne([{ run: 'printf "<%s>" "$TRACEPARENT" > trace.txt' }, { text: 'made' }]);
  await world.over(id);
  expect(await world.project.git(['show', `gantry/${id.slice('req_'.length)}:trace.txt`])).toBe('<>');
  expect((await world.call('projections.list', {})).items).toEqual([]);
});
