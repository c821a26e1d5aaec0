import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { NO_USAGE } from '../../contract/usage.ts';
import { GO_ON, itemsOf, standingIn } from './history.ts';
import { WireTranscriptLine } from './wire.ts';

const linesOf = (name: string): WireTranscriptLine[] =>
  readFileSync(new URL(`../../../test/fixtures/claude-2.1.329/${name}`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => WireTranscriptLine.parse(JSON.parse(line)));
/** Of a session with prompts that ended in every way, and of one that was killed between two steps (2.1.329, 2026-11). */
const whole = linesOf('transcript.jsonl');
const cut = linesOf('cut-transcript.jsonl');

const promptWith = (lines: readonly WireTranscriptLine[], words: string): string =>
  lines.find(({ type, message }) => type === 'user' && JSON.stringify(message?.content).includes(words))?.uuid ?? '';
const said = (content: string, more: Partial<WireTranscriptLine>): WireTranscriptLine => ({
  type: 'assistant',
  message: { id: 'm', content: [{ type: 'text', text: content }], stop_reason: 'end_turn' },
  ...more,
});
const prompt = (uuid: string, content = 'words'): WireTranscriptLine => ({
  type: 'user',
  uuid,
  promptSource: 'sdk',
  message: { content },
});

test.each([
  ['"one\\', { type: 'over', verdict: { outcome: 'done', failure: null }, text: 'one' }],
  ['time.sleep(1)', { type: 'over', verdict: { outcome: 'done', failure: null }, text: 'after tool' }],
  ['never\\', { type: 'over', verdict: { outcome: 'interrupted', failure: null } }],
  ['time.sleep(30)', { type: 'over', verdict: { outcome: 'interrupted', failure: null } }],
  ['Which colour?', { type: 'over', verdict: { outcome: 'done', failure: null } }],
] as const)('the prompt with %s stands as it ended', (words, standing) => {
  expect(standingIn(whole, promptWith(whole, words))).toMatchObject(standing);
});

test('a prompt that was put in while a tool ran is found in the turn that it joined', () => {
  const uuid = whole.find(({ attachment }) => attachment?.type === 'queued_command')?.attachment?.source_uuid ?? '';
  expect(standingIn(whole, uuid)).toMatchObject({ type: 'over', text: 'after tool' });
});

test('what the program said to itself after a turn is part of it', () => {
  const [, background = ''] = whole.flatMap(({ uuid, message, promptSource }) =>
    promptSource === 'sdk' && JSON.stringify(message?.content).includes('part of it') ? [uuid ?? ''] : [],
  );
  expect(standingIn(whole, background)).toMatchObject({ type: 'over', text: 'Done.' });
});

test('a killed turn is cut, whatever its last line is', () => {
  const uuid = promptWith(cut, 'MARK1');
  for (const length of [1, 2, 4]) expect(standingIn(cut.slice(0, length), uuid)).toMatchObject({ type: 'cut' });
  const goneOn = [
    ...cut,
    said('No response requested.', { message: { model: '<synthetic>', content: [] } }),
    prompt('other', GO_ON),
  ];
  const tokens = {
    input_tokens: 7,
    output_tokens: 2,
    cache_read_input_tokens: 3,
    cache_creation_input_tokens: 0,
  };
  const counted = said('', { message: { id: 'msg_1', content: [{ type: 'text', text: 'on' }], usage: tokens } });
  expect(standingIn([prompt('one'), counted, counted], 'one')).toEqual({
    type: 'cut',
    usage: { ...NO_USAGE, inputTokens: 7, outputTokens: 2, cacheReadTokens: 3 },
  });
  expect(standingIn(goneOn, uuid)).toMatchObject({ type: 'cut' });
  expect(standingIn([...goneOn, said('the end', {})], uuid)).toMatchObject({ type: 'over', text: 'the end' });
  expect(standingIn([...cut, prompt('next')], uuid)).toMatchObject({
    type: 'over',
    verdict: { outcome: 'interrupted' },
  });
});

test('an error of the API is final, and told with its class', () => {
  const failed = said('no key', { isApiErrorMessage: true, apiErrorStatus: 401 });
  expect(standingIn([prompt('one'), failed], 'one')).toMatchObject({
    type: 'over',
    verdict: { outcome: 'failed', failure: { class: 'auth', message: 'no key' } },
    text: '',
  });
});

test('the usage of a message that stands on several lines counts once, its cost is unknown', () => {
  const usage = { input_tokens: 5, output_tokens: 7, cache_read_input_tokens: 3, cache_creation_input_tokens: 0 };
  const line = said('a', { message: { id: 'm', content: [], stop_reason: 'end_turn', usage } });
  expect(standingIn([prompt('one'), line, line], 'one')).toMatchObject({
    usage: { inputTokens: 5, outputTokens: 7, cacheReadTokens: 3, costUsd: null },
  });
});

test('a prompt that is nowhere is unknown', () => {
  expect(standingIn(whole, 'nowhere')).toEqual({ type: 'unknown' });
});

test('the transcript for people holds what persons, model and tools said, and nothing of the program’s own', () => {
  const items = itemsOf(whole);
  expect(items.filter(({ type }) => type === 'user')).toHaveLength(11);
  expect(
    items.filter(({ type }) => type === 'tool').map((item) => item.type === 'tool' && [item.tool, item.status]),
  ).toEqual([
    ['bash', 'completed'],
    ['bash', 'error'],
    ['question', 'completed'],
    ['task', 'completed'],
    ['task', 'completed'],
  ]);
  expect(JSON.stringify(items)).not.toMatch(/interrupted by user|task-notification/);
});
