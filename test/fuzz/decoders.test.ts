import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { ZodError } from 'zod';
import { withUpdate } from '../../src/backends/acp/tools.ts';
import { ToolFields, textOf, Update } from '../../src/backends/acp/wire.ts';
import { blocksOf, decode } from '../../src/backends/claude/decode.ts';
import { SseFrames } from '../../src/backends/opencode/sse.ts';
import * as opencode from '../../src/backends/opencode/v1/decode.ts';
import { readCommand } from '../../src/bridges/matrix/command.ts';
import { readGastown } from '../../src/cli/gastown.ts';
import { readRozet } from '../../src/cli/rozet.ts';
import { AppError } from '../../src/contract/errors.ts';
import { readAnswer } from '../../src/engine/planning/plan-read.ts';
import { joined, lineOf, messageOf } from '../../src/history/claude-lines.ts';
import * as rows from '../../src/history/opencode-rows.ts';
import { hookEvent } from '../../src/ingest/hook.ts';
import { readTheme } from '../../src/ingest/theme.ts';
import { chatCompletions } from '../../src/models/scripted/chat-completions.ts';
import { messages } from '../../src/models/scripted/messages.ts';
import { responses } from '../../src/models/scripted/responses.ts';

const RUNS = 300;

const fixture = (name: string): string => readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8');
const linesOf = (name: string): unknown[] =>
  fixture(name)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

/** What the real programs have said. */
const CLAUDE = linesOf('claude-2.1.329/scenes.jsonl');
const TRANSCRIPT = linesOf('claude-2.1.329/transcript.jsonl');
const OPENCODE = linesOf('opencode-1.18.33/event-scenes.jsonl');
const ENTRIES = [JSON.parse(fixture('opencode-1.18.33/session-messages.json'))].flat(2) as unknown[];
const UPDATES = [
  { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'hi' } },
  { sessionUpdate: 'tool_call', toolCallId: '1', title: 't', kind: 'edit', locations: [{ path: '/a' }], rawInput: {} },
  { sessionUpdate: 'plan', entries: [{ content: 'c', status: 'pending' }] },
];
const REQUESTS = [
  { model: 'm', messages: [{ role: 'user', content: 'hi' }], tools: [{ name: 't' }], stream: true },
  { model: 'm', input: [{ role: 'user', content: [{ type: 'input_text', text: 'hi' }] }] },
];

/** A value of which one part, at any depth, is replaced by anything. */
const spoiled = (samples: readonly unknown[]): fc.Arbitrary<unknown> =>
  fc
    .tuple(fc.constantFrom(...samples), fc.array(fc.nat(), { maxLength: 8 }), fc.jsonValue({ maxDepth: 3 }))
    .map(([sample, path, value]) => replaced(sample, path, value));

function replaced(value: unknown, [step, ...rest]: readonly number[], by: unknown): unknown {
  if (step === undefined || typeof value !== 'object' || value === null) return by;
  const keys = Object.keys(value);
  const key = keys[step % keys.length];
  if (key === undefined) return by;
  const inner = replaced((value as Record<string, unknown>)[key], rest, by);
  return Array.isArray(value) ? value.with(Number(key), inner) : { ...value, [key]: inner };
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : { value };

/** Each decoder of what comes from outside, with samples of what it is made for. */
const OF_VALUES: readonly (readonly [name: string, samples: readonly unknown[], read: (value: unknown) => unknown])[] =
  [
    ['claude: a line', CLAUDE, (value) => decode(record(value))],
    ['claude: blocks', CLAUDE, (value) => blocksOf([value])],
    [
      'claude: a transcript',
      TRANSCRIPT,
      (value) => {
        const line = lineOf(JSON.stringify(value));
        return line && !('title' in line) ? joined([messageOf(line)]) : null;
      },
    ],
    ['opencode: an event', OPENCODE, (value) => opencode.decodeFrame(JSON.stringify({ payload: value }))],
    ['opencode: a session', OPENCODE, opencode.sessionOf],
    ['opencode: a message', ENTRIES, opencode.messageOf],
    ['opencode: a part', ENTRIES, opencode.partOf],
    ['opencode: an entry', ENTRIES, opencode.entryOf],
    ['opencode: a permission', OPENCODE, opencode.permissionAskOf],
    ['opencode: a question', OPENCODE, opencode.questionAskOf],
    ['opencode: todos', OPENCODE, opencode.todosOf],
    ['opencode: a stored part', ENTRIES, (value) => rows.wordsOf(rows.partOf(JSON.stringify(value)))],
    ['opencode: a stored message', ENTRIES, (value) => rows.messageOf('m', 1, JSON.stringify(value), [])],
    ['acp: an update', UPDATES, (value) => [Update.safeParse(value), textOf(value)]],
    [
      'acp: a tool',
      UPDATES,
      (value) => {
        const fields = ToolFields.safeParse(value).data;
        return fields && withUpdate(null, fields, '/work');
      },
    ],
    ['events: a hook', [{ hook_event_name: 'Stop', session_id: 's' }], (value) => hookEvent(value, 'app')],
    [
      'events: a theme',
      [{ name: 'n', displayName: 'N', colors: { primary: '#fff' } }],
      (value) => readTheme(record(value), null),
    ],
    ['models: messages', REQUESTS, messages.read],
    ['models: chat completions', REQUESTS, chatCompletions.read],
    ['models: responses', REQUESTS, responses.read],
    [
      'gastown: settings',
      [{ rig: { name: 'x' }, agents: {} }],
      (value) => readGastown([{ name: 'f', text: JSON.stringify(value) }], []),
    ],
  ];

const OF_TEXTS: readonly (readonly [name: string, read: (text: string) => unknown])[] = [
  ['claude: a transcript line', lineOf],
  ['opencode: a frame', opencode.decodeFrame],
  ['opencode: a stream', (text) => [...new SseFrames(1_000).take(Buffer.from(`${text}\n\n`))]],
  ['matrix: a command', readCommand],
  ['rozet: providers.yaml', (text) => readRozet(text, 'f', () => false)],
  ['gastown: a file', (text) => readGastown([{ name: 'f', text }], [])],
  ['planner: an answer', readAnswer],
];

/** What a decoder may say of what it does not understand; anything else is a defect of its own. */
function holds(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof ZodError || error instanceof AppError || error instanceof SyntaxError)) throw error;
  }
}

describe('whatever comes, a decoder reads it or refuses it', () => {
  it.each(OF_VALUES)('%s', (_, samples, read) => {
    fc.assert(
      fc.property(fc.oneof(spoiled(samples), fc.jsonValue()), (value) => holds(() => read(value))),
      { numRuns: RUNS },
    );
  });

  it.each(OF_TEXTS)('%s', (_, read) => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.string({ unit: 'binary' })), (text) => holds(() => read(text))),
      { numRuns: RUNS },
    );
  });
});
