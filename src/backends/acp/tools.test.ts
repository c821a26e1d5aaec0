import { describe, expect, test } from 'vitest';
import { askedCall, withUpdate } from './tools.ts';

const DIRECTORY = '/work/place';

describe('a call in the words of policies', () => {
  test.each([
    // As @agentclientprotocol/claude-agent-acp 0.100.0 tells it: with a name of its own, which no rule knows.
    [{ name: 'Bash', kind: 'execute', title: 'ls', rawInput: { command: 'ls' } }, 'bash', 'bash', ['ls']],
    // As opencode acp 1.18.33 does: the first title is the name.
    [{ kind: 'think', title: 'task', rawInput: { description: 'a part' } }, 'task', 'task', ['task']],
    [{ kind: 'edit', title: 'x', locations: [{ path: 'a/b.txt' }] }, 'edit', 'edit', ['a/b.txt']],
    [
      { kind: 'edit', title: 'x', locations: [{ path: '/etc/passwd' }] },
      'external_directory',
      'external_directory',
      ['/etc/passwd'],
    ],
    [
      { kind: 'read', title: 'x', locations: [{ path: '../other/x' }] },
      'external_directory',
      'external_directory',
      ['/work/other/x'],
    ],
    [{ kind: 'fetch', title: 'x', rawInput: { url: 'http://a/' } }, 'webfetch', 'webfetch', ['http://a/']],
    [{ kind: 'other', title: 'server_tool' }, 'server_tool', '*', ['server_tool']],
    [{ title: '' }, 'other', '*', ['']],
  ])('%j', (fields, tool, profileTool, patterns) => {
    const state = withUpdate(null, { toolCallId: 'c', ...fields }, DIRECTORY);
    const asked = askedCall(state, DIRECTORY);
    expect(asked).toMatchObject({ profileTool, call: { tool, patterns } });
  });

  test('a command is never taken from another kind of tool, and an edit shows its change', () => {
    const diff = { type: 'diff', path: 'a.txt', oldText: 'one\ntwo', newText: 'one\n2' };
    const state = withUpdate(
      null,
      { toolCallId: 'c', kind: 'edit', rawInput: { command: 'ls' }, content: [diff] },
      DIRECTORY,
    );
    const { call } = askedCall(state, DIRECTORY);
    expect(call.command).toBeNull();
    expect(call.diff).toBe('--- a.txt\n+++ a.txt\n@@ @@\n-one\n-two\n+one\n+2\n');
  });

  test('a name that is known is not lost to a later title', () => {
    const first = withUpdate(null, { toolCallId: 'c', title: 'task', kind: 'think' }, DIRECTORY);
    expect(withUpdate(first, { toolCallId: 'c', title: 'a part', status: 'completed' }, DIRECTORY).tool).toBe('task');
  });
});
