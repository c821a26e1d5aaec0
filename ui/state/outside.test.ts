import { describe, expect, test } from 'vitest';
import type { HookEvent } from '../../src/contract/event.ts';
import { type Fact, NO_SUBJECT } from '../../src/contract/fact.ts';
import { keyOf, outsideKey, outsideOf } from './outside-key.ts';
import { outsideSessions, outsideTree } from './outside-sessions.ts';
import { outsideItems } from './outside-talk.ts';
import { troubleBelow } from './session-tree.ts';

type Told = readonly [type: string, payload?: object, more?: Partial<HookEvent>];

const events = (told: readonly Told[], session = 's1'): HookEvent[] =>
  told.map(([type, payload = {}, more = {}], index) => ({
    id: index + 1,
    received_at: 1_000 + index,
    source_app: 'my/app',
    session_id: session,
    hook_event_type: type,
    payload: { ...payload },
    timestamp: 0,
    ...more,
  }));
const factOf = ({ id, received_at, ...event }: HookEvent): Fact => ({
  ...NO_SUBJECT,
  seq: id,
  at: received_at,
  kind: 'observed',
  actor: 'token:x',
  data: { ...event, gantry: { token: null } },
});

test('a session of an outside program has one key, whatever its names hold', () => {
  const [event] = events([['Stop']], 'a:b/c');
  if (!event) throw new Error('there is no event');
  const key = keyOf(factOf(event)) ?? '';
  expect(outsideOf(key)).toEqual({ key, source: 'my/app', session: 'a:b/c' });
  expect(outsideOf('sess_1')).toBeNull();
});

describe('the conversation', () => {
  test('of hooks of Claude Code: prompts, tools with what they gave back, the last word', () => {
    const items = outsideItems(
      events([
        ['UserPromptSubmit', { prompt: 'fix it' }],
        ['PreToolUse', { tool_name: 'Bash', tool_use_id: 't1', tool_input: { command: 'ls' } }],
        [
          'PostToolUse',
          {
            tool_name: 'Bash',
            tool_use_id: 't1',
            tool_input: { command: 'ls' },
            tool_response: { stdout: 'a\nb', stderr: '' },
          },
        ],
        ['PostToolUseFailure', { tool_name: 'Read', tool_use_id: 't2', tool_input: {}, error: 'no such file' }],
        ['Stop', { last_assistant_message: 'done' }],
      ]),
    );
    expect(items).toMatchObject([
      { type: 'user', text: 'fix it' },
      { type: 'tool', tool: 'Bash', status: 'completed', output: 'a\nb', at: 1_001 },
      { type: 'tool', tool: 'Read', status: 'error', output: 'no such file' },
      { type: 'text', text: 'done' },
    ]);
  });

  test('of the plugin of OpenCode: what a stop repeats is there once', () => {
    const items = outsideItems(
      events([
        ['UserPromptSubmit', { prompt: 'hi' }],
        ['ToolRequested', { tool: 'bash', call_id: 'c1', tool_input: { command: 'ls' } }],
        ['AssistantMessage', { text: 'hello', error: 'cut off' }],
        ['Stop', { last_assistant_message: 'hello' }],
      ]),
    );
    expect(items).toMatchObject([
      { type: 'user' },
      { type: 'tool', tool: 'bash', status: 'running' },
      { type: 'text', text: 'hello' },
      { type: 'error', text: 'cut off' },
    ]);
  });

  test('of a transcript that came with an event: that, and what came after it', () => {
    const chat = [
      { type: 'user', timestamp: '2026-11-02T10:00:00Z', message: { role: 'user', content: 'where?' } },
      {
        type: 'assistant',
        message: {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm' },
            { type: 'tool_use', id: 't', name: 'Grep', input: { pattern: 'x' } },
            { type: 'new' },
          ],
        },
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'a.ts' }] }] },
      { type: 'summary', summary: 'not a message' },
    ];
    const items = outsideItems(
      events([
        ['UserPromptSubmit', { prompt: 'where?' }],
        ['Stop', {}, { chat }],
        ['UserPromptSubmit', { prompt: 'and then?' }],
      ]),
    );
    expect(items).toMatchObject([
      { type: 'user', text: 'where?', at: Date.parse('2026-11-02T10:00:00Z') },
      { type: 'reasoning', text: 'hm' },
      { type: 'tool', tool: 'Grep', output: 'a.ts', status: 'completed' },
      { type: 'raw', value: { type: 'new' } },
      { type: 'user', text: 'and then?' },
    ]);
  });
});

test('sessions are a tree with states and the sums of what is below them, and what nobody told is unknown', () => {
  const tokens = { input: 10, output: 5, reasoning: 0, cache: { read: 0, write: 0 } };
  const facts = [
    ...events(
      [['UserPromptSubmit', { prompt: 'do it' }], ['AssistantMessage', { tokens, cost_usd: 0.25 }], ['Stop']],
      'root',
    ),
    ...events([['SessionStart', { parent_session_id: 'root', title: 'looks around' }], ['PreToolUse']], 'child'),
    ...events([['AssistantMessage', { tokens, cost_usd: null, parent_session_id: 'child' }]], 'grandchild'),
    ...events([['AssistantMessage', { tokens, cost_usd: 0.5 }], ['Stop']], 'root'),
    ...events([['PreToolUse', { agent_id: 'a1', agent_type: 'Explore' }]], 'claude'),
  ].map(factOf);
  const own: Fact = { ...(facts[0] as Fact), sessionId: 'sess_1' as never };
  expect(outsideTree(outsideSessions([...facts, own]))).toMatchObject([
    {
      name: 'my/app: claude',
      state: 'busy',
      used: { tokens: 0, sessions: 0 },
      children: [{ what: 'sub-agent', name: 'Explore', state: 'busy', used: null }],
    },
    {
      id: outsideKey('my/app', 'root'),
      name: 'my/app: do it',
      state: 'idle',
      used: { tokens: 45, sessions: 2, unpriced: 1, pricedUsd: 0.75 },
      children: [
        {
          name: 'my/app: looks around',
          state: 'busy',
          used: { tokens: 15, sessions: 1, unpriced: 1, pricedUsd: 0 },
          children: [{ name: 'my/app: grandchild', children: [] }],
        },
      ],
    },
  ]);
});

test('a session whose parent is not there, or is below it, stands by itself', () => {
  const of = (session: string, parent: string): HookEvent[] =>
    events([['Stop', { parent_session_id: parent }]], session);
  const facts = [of('a', 'b'), of('b', 'a'), of('c', 'c'), of('d', 'gone'), of('e', 'a')].flat().map(factOf);
  expect(outsideTree(outsideSessions(facts))).toMatchObject([
    { name: 'my/app: d (of gone, which is not loaded)' },
    { name: 'my/app: c', children: [] },
    { name: 'my/app: b', children: [] },
    { name: 'my/app: a', children: [{ name: 'my/app: e' }] },
  ]);
});

test('an error lasts until its session goes on, and is seen from above, once for each session or agent that it began in', () => {
  const below = (parent: string): Told => ['SessionStart', { parent_session_id: parent }];
  const told: readonly (readonly [string, readonly Told[]])[] = [
    ['root', [['UserPromptSubmit'], ['StopFailure']]],
    ['a', [below('root'), ['SessionError', { error: 'no quota' }], ['Stop']]],
    ['a1', [below('a'), ['AssistantMessage', { error: 'cut off' }], ['Stop'], ['SessionEnd']]],
    ['b', [below('root'), ['SessionError'], ['Stop'], ['UserPromptSubmit'], ['Stop']]],
    ['b1', [below('b'), ['SessionError'], ['Stop']]],
    ['c', [below('root'), ['PermissionRequest']]],
    ['d', [['SubagentStop', { agent_id: 'x', agent_type: 'Explore' }]]],
  ];
  const facts = told.flatMap(([session, of]) => events(of, session)).map(factOf);
  const [last, root] = outsideTree(outsideSessions(facts));
  if (!root || !last) throw new Error('there are two trees');
  expect(root).toMatchObject({
    state: 'error',
    children: [{ state: 'error' }, { state: 'idle' }, { state: 'waiting-approval' }],
  });
  expect(troubleBelow(root)).toEqual({ failed: 2, waiting: 1 });
  expect(last.children).toMatchObject([{ name: 'Explore', state: 'stopped' }]);
  expect(troubleBelow(last)).toEqual({ failed: 0, waiting: 0 });
});
