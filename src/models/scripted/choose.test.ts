import { describe, expect, test } from 'vitest';
import { chatCompletions } from './chat-completions.ts';
import { answerOf, choose } from './choose.ts';
import { messages } from './messages.ts';
import { responses } from './responses.ts';
import { type ModelScriptInput, parseScript } from './script.ts';
import type { Conversation, Turn, Wire } from './wire.ts';

const talk = (turns: readonly (readonly [Turn['role'], string])[], system = ''): Conversation => ({
  model: 'm1',
  system,
  isStream: false,
  turns: turns.map(([role, text]) => ({ role, text })),
});
const two = '@@model [{"text":"one"},{"text":"two"}]';

describe('the step is chosen from the conversation alone', () => {
  const script: ModelScriptInput = {
    rules: [
      { when: { prompt: 'Task: A' }, steps: [{ text: 'A1' }, { text: 'A2' }] },
      { when: { system: 'plan_tasks' }, steps: [{ text: 'plan' }] },
    ],
    otherwise: [{ text: 'else' }],
    titles: 'A title',
    summaries: 'A summary',
  };
  const chosen = (conversation: Conversation, of: ModelScriptInput = script): string => {
    const choice = choose(parseScript(of), conversation);
    return 'faults' in choice ? 'faults' : `${choice.source} ${choice.index} ${choice.step.text}`;
  };

  test.each<[string, string, Conversation]>([
    ['the first step', 'marker 0 one', talk([['user', two]])],
    [
      'the next step after a tool',
      'marker 1 two',
      talk([
        ['user', two],
        ['assistant', ''],
        ['tool', 'out'],
      ]),
    ],
    [
      'the end of the script',
      'marker 2 Done.',
      talk([
        ['user', two],
        ['assistant', ''],
        ['tool', ''],
        ['assistant', ''],
      ]),
    ],
    [
      'a steering text without a marker',
      'marker 1 two',
      talk([
        ['user', two],
        ['assistant', ''],
        ['user', 'hurry'],
      ]),
    ],
    [
      'a newer marker',
      'marker 0 one',
      talk([
        ['user', '@@model []'],
        ['assistant', 'x'],
        ['user', two],
      ]),
    ],
    [
      'a marker in a tool result is only data',
      'rule 0 else',
      talk([
        ['user', 'hi'],
        ['tool', two],
      ]),
    ],
    ['a marker before a rule', 'marker 0 one', talk([['user', `Task: A ${two}`]])],
    ['a rule for the prompt', 'rule 0 A1', talk([['user', 'do\nTask: A\n']])],
    [
      "the rule's next step",
      'rule 1 A2',
      talk([
        ['user', 'Task: A'],
        ['assistant', ''],
        ['tool', 'x'],
      ]),
    ],
    ['a rule for the system text', 'rule 0 plan', talk([['user', 'hello']], 'call plan_tasks')],
    ["a quoted marker in the planner's prompt", 'rule 0 plan', talk([['user', JSON.stringify(two)]], 'plan_tasks')],
    ['otherwise', 'rule 0 else', talk([['user', 'hello']])],
    ['no user at all', 'rule 0 else', talk([])],
    ['a title request', 'title 0 A title', talk([['user', two]], 'You are a title generator.')],
    ['a compaction', 'summary 0 A summary', talk([['user', two]], 'You are a context summarization agent.')],
    ['a marker that cannot be read', 'faults', talk([['user', '@@model [{"text":1}]']])],
  ])('%s', (_what, expected, conversation) => {
    expect(chosen(conversation)).toBe(expected);
  });

  test('without a script the answer says that none matched', () => {
    expect(chosen(talk([['user', 'hello']]), {})).toMatch(/^none 0 No script matched/);
  });
});

describe('a request of each API is the same conversation', () => {
  const system = 'be good';
  const user = { role: 'user', content: [{ type: 'text', text: 'run it' }] };
  test.each<[string, Wire, unknown]>([
    [
      'chat completions',
      chatCompletions,
      {
        model: 'm1',
        messages: [
          { role: 'system', content: system },
          user,
          { role: 'assistant', content: null, tool_calls: [{ id: 'c', function: { name: 'bash', arguments: '{}' } }] },
          { role: 'tool', tool_call_id: 'c', content: 'out' },
        ],
      },
    ],
    [
      'responses',
      responses,
      {
        model: 'm1',
        instructions: system,
        input: [
          { role: 'user', content: [{ type: 'input_text', text: 'run it' }] },
          { type: 'reasoning', id: 'r', summary: [] },
          { type: 'function_call', call_id: 'c', name: 'bash', arguments: '{}' },
          { type: 'function_call_output', call_id: 'c', output: 'out' },
        ],
      },
    ],
    [
      'messages',
      messages,
      {
        model: 'm1',
        system: [{ type: 'text', text: system }],
        messages: [
          { role: 'user', content: [{ type: 'text', text: '<system-reminder>x</system-reminder>' }, ...user.content] },
          { role: 'assistant', content: [{ type: 'tool_use', id: 'c', name: 'bash', input: {} }] },
          { role: 'system', content: '' },
          {
            role: 'user',
            content: [{ type: 'tool_result', tool_use_id: 'c', content: [{ type: 'text', text: 'out' }] }],
          },
        ],
      },
    ],
  ])('%s', (_name, wire, body) => {
    const read = wire.read(body);
    expect(read).toMatchObject({ model: 'm1', isStream: false });
    expect(read?.system.trim()).toBe(system);
    expect(read?.turns).toEqual([
      { role: 'user', text: 'run it' },
      { role: 'assistant', text: '' },
      { role: 'tool', text: 'out' },
    ]);
  });

  test.each([chatCompletions, responses, messages])('what is no request is refused', (wire) => {
    expect(wire.read({ messages: 3, input: 3, model: 'm1' })).toBeNull();
    expect(wire.read(undefined)).toBeNull();
  });
});

describe('the answer of a step', () => {
  const at = { id: 'x', nowMs: 0, requestChars: 400 };

  test('counts four characters as a token when the step names no usage', () => {
    const answer = answerOf({ text: 'a'.repeat(80), reasoning: 'b'.repeat(40) }, talk([]), at);
    expect(answer.usage).toEqual({ input: 100, output: 30, cachedInput: 0, reasoning: 10 });
  });

  test('is never free of tokens', () => {
    expect(answerOf({ emptyText: true }, talk([]), { ...at, requestChars: 0 }).usage).toMatchObject({
      input: 1,
      output: 1,
    });
  });

  test('takes the usage of the step', () => {
    const usage = { input: 1000, output: 50, cachedInput: 400 };
    expect(answerOf({ text: 'x', usage }, talk([]), at).usage).toEqual({ ...usage, reasoning: 0 });
  });

  test('inserts the last tool result as it is', () => {
    const conversation = talk([
      ['tool', 'old'],
      ['tool', 'a $& b'],
    ]);
    expect(answerOf({ text: 'It says: {{lastToolOutput}}' }, conversation, at).text).toBe('It says: a $& b');
  });

  test('has a call id of its own per request and call', () => {
    const tools = [
      { name: 'a', input: {} },
      { name: 'b', input: { x: 1 } },
    ];
    const ids = ['x', 'y'].flatMap((id) => answerOf({ tools }, talk([]), { ...at, id }).tools.map((tool) => tool.id));
    expect(new Set(ids).size).toBe(4);
  });

  test('breaks the arguments so that they are no JSON', () => {
    const answer = answerOf({ tools: [{ name: 'a', input: {} }], brokenArguments: true }, talk([]), at);
    expect(() => JSON.parse(answer.tools[0]?.arguments ?? 'null')).toThrow(SyntaxError);
  });
});

test('a bad script is refused with the paths of its faults', () => {
  const bad = { rules: [{ when: {}, steps: [{ txt: 'x' }, { error: { status: 200, message: '' } }] }] };
  expect(() => parseScript(bad, 'demo')).toThrow(
    expect.objectContaining({
      code: 'bad_config',
      message: expect.stringMatching(/demo.*rules\[0\]\.steps\[0\].*txt.*rules\[0\]\.steps\[1\]\.error\.status/s),
    }),
  );
});
