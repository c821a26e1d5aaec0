import { expect, test } from 'vitest';
import { AppError } from '../contract/errors.ts';
import { Reporter, type ReporterOptions, type WireEvent } from './reporter.ts';

type Post = ReporterOptions['post'];

function setUp(post: Post): { readonly reporter: Reporter; readonly warnings: string[]; readonly notes: string[] } {
  const [warnings, notes]: [string[], string[]] = [[], []];
  const reporter = new Reporter({
    sourceApp: 'opencode',
    post,
    warn: (text) => warnings.push(text),
    note: (text) => notes.push(text),
    now: () => 5,
    instance: 'i',
  });
  return { reporter, warnings, notes };
}

const fill = (reporter: Reporter, count: number): void => {
  for (let i = 0; i < count; i += 1) reporter.add({ type: 'T', sessionId: 's', payload: { i } });
};
const numbers = (events: readonly WireEvent[]): unknown[] => events.map(({ payload }) => (payload as { i: number }).i);

test('what was added goes out in order and once, in batches', async () => {
  const sent: WireEvent[] = [];
  const sizes: number[] = [];
  const { reporter } = setUp(async (events) => {
    sizes.push(events.length);
    sent.push(...events);
  });
  fill(reporter, 250);
  await reporter.close(400);
  expect(numbers(sent)).toEqual(Array.from({ length: 250 }, (_, i) => i));
  expect(sizes).toEqual([100, 100, 50]);
  expect(sent[0]).toMatchObject({ event_id: 'i.1', source_app: 'opencode', session_id: 's', timestamp: 5 });
});

test('beyond 1,000 that wait the oldest are dropped, and the count is told', async () => {
  const sent: WireEvent[] = [];
  const { reporter, notes } = setUp(async (events) => void sent.push(...events));
  fill(reporter, 1_010);
  await reporter.close(400);
  expect(numbers(sent)[0]).toBe(10);
  expect(notes.join()).toContain('10 events were dropped');
});

test('a daemon that hangs holds the end up no longer than is allowed, and that is said once', async () => {
  const hang: Post = (_events, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new AppError('timeout', 'given up')));
    });
  const { reporter, warnings } = setUp(hang);
  fill(reporter, 3);
  await reporter.close(100);
  expect(warnings).toEqual(['3 events could not be handed to Gantry before the end']);
});

test('events that the daemon refuses are given up, those behind them go out', async () => {
  const sent: WireEvent[] = [];
  const { reporter, warnings, notes } = setUp(async (events) => {
    if (events.some(({ event_id }) => event_id === 'i.1')) throw new AppError('bad_request', 'not these');
    sent.push(...events);
  });
  fill(reporter, 150);
  await reporter.close(400);
  expect(numbers(sent)[0]).toBe(100);
  expect(warnings).toEqual([]);
  expect(notes).toEqual(['100 events were refused: not these']);
});

test('after an outage everything that waited goes out, once', async () => {
  const sent: WireEvent[] = [];
  let isDown = true;
  const { reporter, warnings } = setUp(async (events) => {
    if (isDown) throw new AppError('daemon_unreachable', 'nobody there');
    sent.push(...events);
  });
  fill(reporter, 2);
  await new Promise<void>((resolve) => {
    const look = (): void => void (warnings.length > 0 ? resolve() : setTimeout(look, 5));
    look();
  });
  isDown = false;
  fill(reporter, 2);
  await reporter.close(400);
  expect(sent.map(({ event_id }) => event_id)).toEqual(['i.1', 'i.2', 'i.3', 'i.4']);
  expect(warnings).toHaveLength(1);
});
