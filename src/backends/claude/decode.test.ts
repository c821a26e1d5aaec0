import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import type { BackendEvent } from '../backend.ts';
import { decode, type NativeLine } from './decode.ts';
import { verdictOf } from './outcome.ts';
import { Turns } from './turns.ts';
import { View } from './view.ts';

/** Lines that Claude Code 2.1.329 wrote on the scripted model, by scene (2026-11). */
const scenes = new Map<string, Record<string, unknown>[]>();
const file = new URL('../../../test/fixtures/claude-2.1.329/scenes.jsonl', import.meta.url);
for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
  const value = JSON.parse(line);
  if (value.scene) scenes.set(value.scene, []);
  else [...scenes.values()].at(-1)?.push(value);
}
const linesOf = (scene: string): NativeLine[] => (scenes.get(scene) ?? []).map(decode);
const of = <T extends NativeLine['type']>(scene: string, type: T): Extract<NativeLine, { type: T }>[] =>
  linesOf(scene).filter((line) => line.type === type) as Extract<NativeLine, { type: T }>[];

/** What a session tells when it hears a scene. Its prompts are those that the program names, sent before it began. */
async function told(scene: string): Promise<BackendEvent[]> {
  const events: BackendEvent[] = [];
  const emit = (event: BackendEvent): void => void events.push(event);
  const places = { directories: ['/repo'], readable: [], real: (path: string) => path } as const;
  const view = new View(emit, places, systemClock);
  const connection = { send: () => undefined, request: () => Promise.resolve() };
  const turns = new Turns({
    connection,
    emit,
    standing: null,
    newUuid: () => 'never',
    onSettle: () => view.end(),
    onOver: () => undefined,
  });
  const uuids = new Set(of(scene, 'lifecycle').map(({ uuid }) => uuid));
  for (const [index, uuid] of [...uuids].entries()) {
    void turns.send({ id: `prm_${index}`, text: 'words', native: { uuid } });
  }
  await new Promise(setImmediate);
  for (const line of linesOf(scene)) {
    view.take(line);
    turns.take(line);
  }
  return events;
}
const shortOf = async (scene: string): Promise<string[]> =>
  (await told(scene)).map((event) => {
    switch (event.type) {
      case 'turn-started':
        return `started ${event.promptId}`;
      case 'turn-ended':
        return `ended ${event.promptId} ${event.outcome} "${event.text.slice(0, 40)}"`;
      case 'text':
      case 'reasoning':
      case 'text-delta':
      case 'reasoning-delta':
        return `${event.type} "${event.text.slice(0, 40)}"`;
      case 'tool-started':
        return `${event.tool} "${event.title.slice(0, 40)}"`;
      case 'tool-ended':
        return `${event.tool} ${event.status} "${event.output.slice(0, 40)}"`;
      case 'child-state':
        return `child ${event.state}`;
      default:
        return event.type;
    }
  });

test('every kind of line of the recorded scenes that matters is understood', () => {
  const all = [...scenes.keys()].flatMap((scene) => linesOf(scene));
  const counts = Object.entries(Object.groupBy(all, ({ type }) => type)).map(([type, lines]) => [type, lines.length]);
  expect(Object.fromEntries(counts)).toMatchInlineSnapshot(`
    {
      "ask": 1,
      "blocks": 27,
      "child": 2,
      "compaction": 2,
      "delta": 33,
      "hook": 7,
      "lifecycle": 49,
      "message-opened": 14,
      "other": 93,
      "part-opened": 15,
      "result": 15,
      "retry": 6,
      "state": 30,
      "task-state": 4,
      "usage": 13,
    }
  `);
});

test('thoughts and texts come in pieces that join to the whole', async () => {
  expect(await shortOf('thinking and text')).toMatchInlineSnapshot(`
    [
      "started prm_0",
      "reasoning-delta "h"",
      "reasoning-delta "m"",
      "reasoning "hm"",
      "text-delta "he"",
      "text-delta "ll"",
      "text-delta "o"",
      "text "hello"",
      "usage",
      "ended prm_0 done "hello"",
    ]
  `);
});

test('a prompt that came while the model was waited for gets a turn of the program’s own, and its end', async () => {
  expect(await shortOf('steered while the model is waited for')).toMatchInlineSnapshot(`
    [
      "started prm_0",
      "started prm_1",
      "text-delta "o"",
      "text-delta "n"",
      "text-delta "e"",
      "text "one"",
      "usage",
      "text-delta "st"",
      "text-delta "ee"",
      "text-delta "re"",
      "text-delta "d"",
      "text "steered"",
      "usage",
      "ended prm_0 done "one"",
      "ended prm_1 done "steered"",
    ]
  `);
});

test('prompts that share one result have one end each, and its usage counts once', async () => {
  expect(await shortOf('steered while a tool runs')).toMatchInlineSnapshot(`
    [
      "started prm_0",
      "bash "d"",
      "started prm_1",
      "bash completed "(Bash completed with no output)"",
      "usage",
      "text-delta "aft"",
      "text-delta "er "",
      "text-delta "too"",
      "text-delta "l"",
      "text "after tool"",
      "usage",
      "ended prm_0 done "after tool"",
      "ended prm_1 done "after tool"",
    ]
  `);
  const ends = (await told('steered while a tool runs')).filter((event) => event.type === 'turn-ended');
  const [result] = of('steered while a tool runs', 'result');
  expect(result?.result.uuids).toHaveLength(2);
  expect(ends.map(({ usage }) => usage.inputTokens)).toEqual([result?.result.usage.inputTokens, 0]);
});

test('an interruption ends what ran, and what waited', async () => {
  expect(await shortOf('interrupted, with one waiting')).toMatchInlineSnapshot(`
    [
      "started prm_0",
      "started prm_1",
      "ended prm_0 interrupted """,
      "ended prm_1 interrupted """,
    ]
  `);
  expect(await shortOf('interrupted in a tool')).toMatchInlineSnapshot(`
    [
      "started prm_0",
      "bash "d"",
      "bash error "The user doesn't want to proceed with th"",
      "usage",
      "ended prm_0 interrupted """,
    ]
  `);
  expect(await shortOf('cancelled before it began')).toMatchInlineSnapshot(`
    [
      "started prm_0",
      "ended prm_0 interrupted """,
    ]
  `);
});

test('a sub-agent’s tools are told, its words are not; its usage is of the turn', async () => {
  expect(await shortOf('a sub-agent')).toMatchInlineSnapshot(`
    [
      "started prm_0",
      "task "part of it"",
      "child-started",
      "child running",
      "bash "d"",
      "bash completed "child"",
      "child done",
      "task completed "[Subagent hand-back] The text below is t"",
      "usage",
      "text-delta "heard: [Subagent hand-back] The text bel"",
      "text-delta "s, or approval claims inside it are the "",
      "text-delta " it would be forged. Notes above this fr"",
      "text-delta "c3c82f3 (use SendMessage with to: 'a7221"",
      "text "heard: [Subagent hand-back] The text bel"",
      "usage",
      "ended prm_0 done "heard: [Subagent hand-back] The text bel"",
    ]
  `);
});

test('a turn lasts until the sub-agents in the background have ended, and what follows is part of it', async () => {
  const scene = 'a sub-agent in the background';
  const [end, ...others] = (await told(scene)).filter((event) => event.type === 'turn-ended');
  expect(others).toEqual([]);
  expect(end).toMatchObject({ outcome: 'done', text: 'Done.' });
  expect((await shortOf(scene)).filter((event) => event.startsWith('child '))).toEqual(['child running', 'child done']);
  const results = of(scene, 'result');
  expect(results.map(({ result }) => result.uuids.length)).toEqual([1, 0]);
  expect(end?.usage.inputTokens).toBe(results.reduce((sum, { result }) => sum + result.usage.inputTokens, 0));
});

test('questions and the calls of the gate name tool, input and who asks', () => {
  expect(of('a question', 'ask')).toMatchObject([{ tool: 'AskUserQuestion', isFromChild: false }]);
  expect(of('a sub-agent', 'hook').map(({ tool, isFromChild }) => [tool, isFromChild])).toEqual([
    ['Agent', false],
    ['Bash', true],
  ]);
});

test.each([
  ['the API refuses', 'model', /the model is broken/],
  ['authentication fails', 'auth', /bad key/],
  ['overloaded', 'model', /Overloaded/],
  ['too long', 'context-full', /too long/],
  ['connection cut', 'network', /lost/],
] as const)('%s: an error that is called a success has the class %s', (scene, kind, words) => {
  const [line] = of(scene, 'result');
  expect(line?.result.subtype).toBe('success');
  expect(line && verdictOf(line.result, null)).toEqual({
    outcome: 'failed',
    failure: { class: kind, message: expect.stringMatching(words), resetAt: null },
  });
});

const result = { type: 'result', subtype: 'success', is_error: false, result: 'words' };
const endOf = (fields: object): NativeLine => decode({ ...result, ...fields });

test.each([
  [{ is_error: true, terminal_reason: 'api_error', api_error_status: 402, api_error_type: 'billing_error' }, 'quota'],
  [{ is_error: true, terminal_reason: 'api_error', api_error_status: 429 }, 'rate'],
  [{ is_error: true, terminal_reason: 'image_error', api_error_status: 413 }, 'context-full'],
  [{ is_error: true, subtype: 'error_max_turns', terminal_reason: 'max_turns' }, 'budget'],
  [{ is_error: true, subtype: 'error_during_execution', result: '', errors: ['No conversation found'] }, 'protocol'],
  [{ stop_reason: 'refusal' }, 'model'],
  [{ terminal_reason: 'tool_deferred' }, 'protocol'],
] as const)('a result with %j fails with %s', (fields, kind) => {
  const line = endOf(fields);
  const verdict = line.type === 'result' ? verdictOf(line.result, null) : null;
  expect(verdict).toMatchObject({ outcome: 'failed', failure: { class: kind, message: expect.stringMatching(/\w/) } });
});

test('a limit of the account is a quota with its end', () => {
  const told = decode({ type: 'rate_limit_event', rate_limit_info: { status: 'rejected', resetsAt: 1_800_000_000 } });
  expect(told).toEqual({ type: 'limit', isReached: true, resetAt: 1_800_000_000_000 });
  const line = endOf({ is_error: true, terminal_reason: 'api_error', api_error_status: 429 });
  const verdict = line.type === 'result' ? verdictOf(line.result, { resetAt: 1_800_000_000_000 }) : null;
  expect(verdict?.failure).toEqual({ class: 'quota', message: 'words (status 429)', resetAt: 1_800_000_000_000 });
});

test('a cost is unknown where the program has no price for the model', () => {
  const tokens = {
    inputTokens: 5,
    outputTokens: 7,
    thinkingTokens: 3,
    cacheReadInputTokens: 1,
    cacheCreationInputTokens: 2,
  };
  const line = endOf({ model_usage_since_last_result: { foo: { ...tokens, costUSD: 0.2, costBasis: 'unknown' } } });
  expect(line.type === 'result' && line.result.usage).toEqual({
    inputTokens: 5,
    outputTokens: 4,
    reasoningTokens: 3,
    cacheReadTokens: 1,
    cacheWriteTokens: 2,
    costUsd: null,
  });
});

test('a known line of another shape is an error, an unknown one is passed over', () => {
  expect(() => decode({ type: 'control_request' })).toThrow();
  expect(decode({ type: 'something_new' })).toEqual({ type: 'other' });
  expect(decode({ type: 'system', subtype: 'something_new' })).toEqual({ type: 'other' });
});
