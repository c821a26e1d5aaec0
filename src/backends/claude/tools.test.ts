import { expect, test } from 'vitest';
import { profileWith } from '../../../test/support/backend-session.ts';
import { answeredInput, changedFile, gate, type Places, removedTools, subjectsOf, toolName } from './tools.ts';

const places: Places = {
  directories: ['/repo'],
  readable: ['/kept'],
  // A link in the repository that leads out of it.
  real: (path) => path.replace(/^\/repo\/link\b/, '/elsewhere'),
};
const worker = profileWith({ edit: 'ask', bash: 'ask', external_directory: 'ask', '*': 'ask' });
const reviewer = profileWith({ edit: 'deny', external_directory: 'deny' });
const file = (path: string): object => ({ file_path: path });

test.each([
  ['Bash', { command: 'ls' }, 'ask'],
  ['Write', file('/repo/a.txt'), 'ask'],
  ['Read', file('/repo/a.txt'), 'allow'],
  ['Read', file('/repo/sub/.env'), 'ask'],
  ['Read', file('/repo/.env.local'), 'ask'],
  ['Read', file('/repo/.env.example'), 'allow'],
  ['Read', file('/etc/passwd'), 'ask'],
  ['Read', file('../other/a.txt'), 'ask'],
  ['Read', file('/repo/../etc/passwd'), 'ask'],
  ['Read', file('/repository/a.txt'), 'ask'],
  ['Read', file('/repo/link/a.txt'), 'ask'],
  ['Read', file('~/.ssh/id'), 'ask'],
  ['Read', file('/kept/output.txt'), 'allow'],
  ['Grep', { pattern: 'x', path: '/etc' }, 'ask'],
  ['Agent', { prompt: 'p' }, 'allow'],
  ['ToolSearch', { query: 'q' }, 'allow'],
  ['mcp__srv__tool', {}, 'ask'],
  ['SomethingNew', {}, 'ask'],
  ['EnterWorktree', {}, 'deny'],
] as const)('a worker’s %s with %j: %s', (tool, input, action) => {
  expect(gate(tool, input, worker, places)).toBe(action);
});

test.each([
  ['Edit', file('/repo/a.txt')],
  ['NotebookEdit', { notebook_path: '/repo/a.ipynb' }],
  ['Write', file('/kept/a.txt')],
  ['Read', file('/etc/passwd')],
] as const)('a reviewer may not: %s with %j', (tool, input) => {
  expect(gate(tool, input, reviewer, places)).toBe('deny');
});

test('what is never for an agent, and what the profile denies, is not offered', () => {
  expect(removedTools(reviewer)).toEqual(expect.arrayContaining(['SendMessage', 'CronCreate', 'Edit', 'Write']));
  expect(removedTools(worker)).not.toContain('Edit');
});

test('a call is shown in the words that policy rules match', () => {
  const subjects = (tool: string, input: object) => subjectsOf(tool, input, worker, places);
  const call = (tool: string, pattern: string, more: object = {}) => ({
    type: 'permission',
    call: { tool, patterns: [pattern], command: null, diff: null, ...more },
  });
  expect(subjects('Bash', { command: 'ls -l' })).toEqual([call('bash', 'ls -l', { command: 'ls -l' })]);
  const diff = '--- a.txt\n+++ a.txt\n@@\n-old\n+new\n+er';
  const edit = { ...file('/repo/a.txt'), old_string: 'old', new_string: 'new\ner' };
  expect(subjects('Edit', edit)).toEqual([call('edit', 'a.txt', { diff })]);
  expect(subjects('WebFetch', { url: 'https://example.org', prompt: 'p' })).toEqual([
    call('webfetch', 'https://example.org'),
  ]);
  expect(subjects('mcp__srv__tool', { a: 1 })).toEqual([call('srv_tool', '*')]);
});

test('a path outside is asked about first, then the call if it is to be asked for', () => {
  const outside = {
    type: 'permission',
    call: { tool: 'external_directory', patterns: ['/etc/hosts'], command: null, diff: null },
  };
  expect(subjectsOf('Read', file('/etc/hosts'), worker, places)).toEqual([outside]);
  expect(subjectsOf('Write', file('/etc/hosts'), worker, places)).toMatchObject([outside, { call: { tool: 'edit' } }]);
});

test('what the program asks by itself is asked, though the profile allows it', () => {
  expect(subjectsOf('Read', file('/repo/a'), worker, places)).toMatchObject([
    { call: { tool: 'read', patterns: ['a'] } },
  ]);
});

test('questions keep their choices, and answers go back by the question', () => {
  const input = {
    questions: [
      {
        question: 'Which?',
        header: 'H',
        multiSelect: true,
        options: [{ label: 'a', description: 'A' }, { label: 'b' }],
      },
    ],
  };
  expect(subjectsOf('AskUserQuestion', input, worker, places)).toEqual([
    {
      type: 'question',
      questions: [
        {
          question: 'Which?',
          header: 'H',
          options: [
            { label: 'a', description: 'A' },
            { label: 'b', description: '' },
          ],
          isMultiple: true,
          isFreeText: true,
        },
      ],
    },
  ]);
  expect(answeredInput(input, [['a', 'b']])).toEqual({ ...input, answers: { 'Which?': 'a, b' } });
});

test('tools are told by the names that other backends have', () => {
  expect(['Bash', 'Write', 'Edit', 'Agent', 'mcp__a__b_c', 'NewTool'].map(toolName)).toEqual([
    ...['bash', 'write', 'edit', 'task', 'a_b_c', 'newtool'],
  ]);
  expect(changedFile('Edit', file('a.txt'), places)).toBe('/repo/a.txt');
  expect(changedFile('Read', file('a.txt'), places)).toBeNull();
});
