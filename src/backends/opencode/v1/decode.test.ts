import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { NO_USAGE } from '../../../contract/usage.ts';
import type { NativeEvent } from '../dialect.ts';
import { SseFrames } from '../sse.ts';
import { decodeFrame, entryOf } from './decode.ts';

const fixture = (name: string): string =>
  readFileSync(new URL(`../../../../test/fixtures/opencode-1.18.33/${name}`, import.meta.url), 'utf8');

/** The events of the recorded scenes; the scenes are of `/event`, whose objects are the payloads of the global stream. */
const scenes = new Map<string, NativeEvent[]>();
for (const line of fixture('event-scenes.jsonl').trim().split('\n')) {
  const value = JSON.parse(line);
  if (value.scene) scenes.set(value.scene, []);
  const event = value.type ? decodeFrame(JSON.stringify({ payload: value })) : null;
  if (event) [...scenes.values()].at(-1)?.push(event);
}
const of = <T extends NativeEvent['type']>(scene: string, type: T): Extract<NativeEvent, { type: T }>[] =>
  (scenes.get(scene) ?? []).filter((event) => event.type === type) as Extract<NativeEvent, { type: T }>[];

test('the recorded stream is understood, and its sync copies are left out', () => {
  const frames = [...new SseFrames(1_000_000).take(Buffer.from(`${fixture('global-event.sse.txt')}\n`))];
  const events = frames.map(decodeFrame).filter((event) => event !== null);
  const counts = Object.groupBy(events, ({ type }) => type);
  expect(frames.length).toBe(118);
  expect(Object.fromEntries(Object.entries(counts).map(([type, all]) => [type, all.length]))).toMatchInlineSnapshot(`
    {
      "alive": 2,
      "answered": 1,
      "asked": 1,
      "busy": 8,
      "delta": 7,
      "idle": 4,
      "message": 14,
      "part": 19,
      "session": 9,
    }
  `);
  const deltas = events.filter((event) => event.type === 'delta').map((event) => event.text);
  expect(deltas.join('|')).toMatchInlineSnapshot(
    `"thinking hard|Hello from the |fake model, in |three chunks.|bas|h d|one"`,
  );
});

test('a permission is told with its call, command and patterns', () => {
  expect(of('bash permission reject without message', 'asked')).toEqual([
    {
      type: 'asked',
      sessionId: 'ses_e048801ceffeLnvkuj2Q3NZAad',
      ask: {
        id: 'per_1fb783f200015tv7FrUvL155rl',
        sessionId: 'ses_e048801ceffeLnvkuj2Q3NZAad',
        subject: {
          type: 'permission',
          call: { tool: 'bash', patterns: ['rm -rf nothing2'], command: 'rm -rf nothing2', diff: null },
        },
        call: { messageId: 'msg_1fb783d5e001sFphsurSJs7Wq2', callId: 'call_64_0' },
      },
    },
  ]);
  expect(of('bash permission reject without message', 'answered').map(({ askId }) => askId)).toEqual([
    'per_1fb783f200015tv7FrUvL155rl',
  ]);
});

test('a question is told with its options', () => {
  expect(of('question', 'asked').map(({ ask }) => ask.subject)).toEqual([
    {
      type: 'question',
      questions: [
        {
          question: 'Which DB?',
          header: 'DB',
          options: [
            { label: 'SQLite', description: 'file' },
            { label: 'Postgres', description: 'server' },
          ],
          isMultiple: false,
          isFreeText: true,
        },
      ],
    },
  ]);
});

test('a sub-agent’s session names its parent', () => {
  const children = of('task sub-session', 'session').filter(({ session }) => session.parentId !== null);
  expect(new Set(children.map(({ session }) => `${session.id} of ${session.parentId}: ${session.title}`))).toEqual(
    new Set(['ses_e0487b3eeffetpWKEd5okPAGMq of ses_e048801ceffeLnvkuj2Q3NZAad: sub work (@general subagent)']),
  );
});

test('errors have a class; an abort is told as such', () => {
  expect(of('model 401', 'error').map(({ error }) => error)).toEqual([
    {
      type: 'failed',
      failure: { class: 'auth', message: 'Incorrect API key provided (status 401)', resetAt: null },
    },
  ]);
  expect(of('abort while permission pending', 'error').map(({ error }) => error)).toEqual([{ type: 'aborted' }]);
  expect(of('connection cut, retries, then abort', 'retry').map((event) => [event.try, event.nextAt])).toEqual([
    [1, 1795220332063],
    [2, 1795220336518],
    [3, 1795220344990],
  ]);
});

test('stored messages are read with their tools, files and usage', () => {
  const entries = (JSON.parse(fixture('session-messages.json')) as unknown[]).map(entryOf);
  const tools = entries.flatMap(({ parts }) => parts.filter((part) => part.type === 'tool'));
  const told = tools.map(({ tool, status, files }) => [tool, status, ...files].join(' '));
  expect([...new Set(told)]).toMatchInlineSnapshot(`
    [
      "bash completed",
      "write completed /home/user/project/new.txt",
      "edit completed /home/user/project/new.txt",
      "bash error",
      "question completed",
      "question error",
      "todowrite completed",
      "read completed",
      "grep completed",
      "glob completed",
      "read error",
      "nosuchtool error",
      "task completed",
      "bash interrupted",
    ]
  `);
  expect(entries.find(({ message }) => message.role === 'assistant')?.message).toMatchObject({
    finish: 'stop',
    usage: {
      inputTokens: 600,
      outputTokens: 30,
      reasoningTokens: 20,
      cacheReadTokens: 400,
      cacheWriteTokens: 0,
      costUsd: 0.00074,
    },
  });
  expect(entries.find(({ message }) => message.error?.type === 'aborted')?.message.usage).toEqual(NO_USAGE);
});

test('what is new in another version is passed over', () => {
  expect(decodeFrame('{"payload":{"type":"session.new.thing","properties":{"x":1}}}')).toBeNull();
  expect(decodeFrame('{"payload":{"type":"server.heartbeat"}}')).toEqual({ type: 'alive' });
  expect(() => decodeFrame('{"payload":{"type":"session.idle","properties":{}}}')).toThrow();
  expect(() => decodeFrame('not json')).toThrow(SyntaxError);
});
