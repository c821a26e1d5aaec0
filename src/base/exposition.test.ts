import { expect, test } from 'vitest';
import { readMetrics } from '../../test/support/prometheus.ts';
import { Counter, exposition, gauge, Histogram } from './exposition.ts';

test('gauges, counters and histograms are read as they were meant', () => {
  const counter = new Counter('calls_total', 'Calls.');
  counter.add({ name: 'a' });
  counter.add({ name: 'a' }, 2);
  counter.add({ name: 'b' }, 0.5);
  const histogram = new Histogram('wait_seconds', 'Waiting.', [0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe({ to: 'x' }, value);
  const read = readMetrics(exposition([gauge('size', 'A size.', [[{}, 12.5]]), counter.family(), histogram.family()]));
  expect([...read.values()].map(({ name, type, help }) => [name, type, help])).toEqual([
    ['size', 'gauge', 'A size.'],
    ['calls_total', 'counter', 'Calls.'],
    ['wait_seconds', 'histogram', 'Waiting.'],
  ]);
  const values = [...read.values()].flatMap(({ samples }) => samples.map((one) => [one.name, one.labels, one.value]));
  expect(values).toEqual([
    ['size', {}, 12.5],
    ['calls_total', { name: 'a' }, 3],
    ['calls_total', { name: 'b' }, 0.5],
    ['wait_seconds_bucket', { to: 'x', le: '0.1' }, 2],
    ['wait_seconds_bucket', { to: 'x', le: '1' }, 3],
    ['wait_seconds_bucket', { to: 'x', le: '+Inf' }, 4],
    ['wait_seconds_sum', { to: 'x' }, 7.65],
    ['wait_seconds_count', { to: 'x' }, 4],
  ]);
});

test.each(['plain', 'a "quoted" word', 'back\\slash', 'two\nlines', '}', '{a="b"}', 'ünï'])(
  'a label may say %j',
  (l) => {
    const read = readMetrics(exposition([gauge('g', 'A help\nof two lines, with \\.', [[{ l }, 1e21]])]));
    expect(read.get('g')?.samples).toEqual([{ name: 'g', labels: { l }, value: 1e21 }]);
  },
);

test('labels beyond the bound are counted together', () => {
  const counter = new Counter('c_total', 'C.');
  for (let i = 0; i < 2_000; i += 1) counter.add({ name: String(i) });
  const { samples } = counter.family();
  expect(samples).toHaveLength(501);
  expect(samples.at(-1)).toEqual({ suffix: '', labels: { name: 'other' }, value: 1_500 });
});
