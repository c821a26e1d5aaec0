import { describe, expect, test } from 'vitest';
import { PROFILE_TOOLS } from '../../backends/backend.ts';
import type { Grant, PolicyRule, PolicyVerdict, ToolCall } from '../../contract/approval.ts';
import type { PlacedRule, Settings } from '../settings.ts';
import { decide, type PolicyInput, policyTest, profileFor } from './policy.ts';
import { fits } from './policy-rules.ts';

type Policy = Settings['policy'];
const NOTHING: Policy = { default: 'ask', rules: [] };

const command = (line: string): ToolCall => ({ tool: 'bash', patterns: [line], command: line, diff: null });
const call = (tool: string, ...patterns: readonly string[]): ToolCall => {
  return { tool, patterns: [...patterns], command: null, diff: null };
};
const judged = (
  asked: ToolCall | string,
  policy: Policy = NOTHING,
  more: Partial<PolicyInput> & { grants?: readonly Grant[] } = {},
): PolicyVerdict => {
  const input = { call: typeof asked === 'string' ? command(asked) : asked, role: 'worker', backend: 'fake' };
  return decide({ isReadOnly: false, ...input, ...more }, policy, more.grants ?? [], 1_000);
};
const rules = (layer: string, ...list: readonly PolicyRule[]): PlacedRule[] => list.map((rule) => ({ rule, layer }));
const policy = (...placed: readonly PlacedRule[][]): Policy => ({ default: 'ask', rules: placed.flat() });
const anything = policy(rules('user', { action: 'allow' }));

describe('the built-in rules', () => {
  test.each<[string, string, 'allow' | 'ask']>([
    ['edit', 'src/a.ts', 'allow'],
    ['write', './new.txt', 'allow'],
    ['edit', '.gitignore', 'allow'],
    ['edit', '.env.example', 'allow'],
    ['edit', 'app/.env', 'ask'],
    ['edit', 'src/../.env', 'ask'],
    ['edit', '.git/config', 'ask'],
    ['edit', 'sub/.git/hooks/pre-commit', 'ask'],
    ['edit', '.github/workflows/ci.yml', 'ask'],
    ['edit', '.gantry/config.jsonc', 'ask'],
    ['edit', 'opencode.json', 'ask'],
    ['edit', '../x', 'ask'],
    ['edit', 'a/../../x', 'ask'],
    ['edit', '/etc/passwd', 'ask'],
    ['edit', '~/.bashrc', 'ask'],
    ['read', 'src/a.ts', 'allow'],
    ['read', '.env', 'ask'],
    ['read', 'a/.env.local', 'ask'],
    ['read', 'a/.env.example', 'allow'],
    ['glob', '**/*.ts', 'allow'],
    ['grep', 'x', 'allow'],
    ['list', 'src', 'allow'],
    ['todowrite', '*', 'allow'],
    ['lsp', '*', 'allow'],
    ['skill', 'x', 'allow'],
    ['task', 'general', 'allow'],
    ['external_directory', '/etc/*', 'ask'],
    ['doom_loop', 'bash', 'ask'],
    ['webfetch', 'https://example.org/?a=*', 'ask'],
    ['websearch', 'x', 'ask'],
    ['linear_create_issue', '*', 'ask'],
  ])('%s of %s: %s', (tool, pattern, action) => {
    expect(judged(call(tool, pattern)).action).toBe(action);
  });

  test('take paths below the working directory as relative ones', () => {
    const more = { directory: '/w/task' };
    expect(judged(call('edit', '/w/task/src/a.ts'), NOTHING, more).action).toBe('allow');
    expect(judged(call('edit', '/w/task/.env'), NOTHING, more).action).toBe('ask');
    expect(judged(call('edit', '/w/task/../x'), NOTHING, more).action).toBe('ask');
    expect(judged(call('edit', '/w/tasks/a'), NOTHING, more).action).toBe('ask');
    expect(judged('cd /w/task && cat /w/task/a --x=/w/task/b', NOTHING, more).action).toBe('allow');
    expect(judged('cat /w/task/../x', NOTHING, more).action).toBe('ask');
    expect(judged('rm -rf /w/task/build', NOTHING, more).action).toBe('ask');
    expect(judged('rm -rf /w/task2', NOTHING, more).action).toBe('deny');
  });
});

describe('the rules of the configuration', () => {
  const allow = (pattern: string, more: Partial<PolicyRule> = {}): PolicyRule => ({
    action: 'allow',
    tool: 'bash',
    pattern,
    ...more,
  });
  const ask = (pattern: string): PolicyRule => ({ ...allow(pattern), action: 'ask' });
  const deny = (pattern: string, reason?: string): PolicyRule => ({
    ...allow(pattern),
    action: 'deny',
    ...(reason ? { reason } : {}),
  });

  test('of the nearest layer win, the first of a layer wins', () => {
    expect(judged('docker ps', policy(rules('user', allow('docker *'), ask('docker *')))).rule).toBe(
      'allow bash "docker *" (user)',
    );
    expect(judged('docker ps', policy(rules('user', allow('docker *')), rules('project', ask('docker *'))))).toEqual({
      action: 'ask',
      rule: 'ask bash "docker *" (project)',
      reason: null,
    });
    expect(
      judged('docker ps', policy(rules('project', allow('docker *')), rules('user', ask('docker *')))).action,
    ).toBe('allow');
    expect(judged('npm test', policy(rules('user', ask('npm *')))).rule).toBe('ask bash "npm *" (user)');
    expect(judged('cat .env', policy(rules('user', allow('cat *')))).action).toBe('allow');
  });

  test('that deny win from every layer, with their reason', () => {
    const denied = policy(rules('project', allow('*')), rules('user', deny('npm publish *', 'Not from here.')));
    expect(judged('npm publish', denied)).toEqual({
      action: 'deny',
      rule: 'deny bash "npm publish *" (user)',
      reason: 'Not from here.',
    });
    expect(judged('ls; env npm publish --tag x', denied).action).toBe('deny');
    expect(
      judged('cat secret/key', policy(rules('user', { action: 'deny', tool: 'read', pattern: 'secret/*' }))).action,
    ).toBe('deny');
  });

  test("that deny also see the program's own patterns, which allow nothing", () => {
    const asked = { ...command('make all'), patterns: ['ls', 'git push x'] };
    expect(judged(asked, anything).action).toBe('deny');
    expect(judged({ ...asked, patterns: ['ls'] }).action).toBe('ask');
  });

  test('must allow every command of a line', () => {
    const some = policy(rules('user', allow('docker *')));
    expect(judged('docker ps && ls', some).action).toBe('allow');
    expect(judged('docker ps && podman ps', some)).toMatchObject({ action: 'ask', rule: 'default' });
    expect(judged('ls | podman ps', some)).toMatchObject({ action: 'ask', rule: 'default' });
  });

  test('allow what cannot be split only by its exact text or by *', () => {
    const line = 'docker run $(cat name)';
    expect(judged(line, policy(rules('user', allow('docker *')))).action).toBe('ask');
    expect(judged(line, policy(rules('user', allow(line)))).action).toBe('allow');
    expect(judged(line, policy(rules('user', allow('*')))).action).toBe('allow');
    expect(judged(line, policy(rules('project', ask('cat *')), rules('user', allow('*')))).action).toBe('ask');
  });

  test('hold for their tool, role and backend', () => {
    const some = (rule: Partial<PolicyRule>): Policy => policy(rules('user', { action: 'allow', ...rule }));
    expect(judged(call('linear_list', '*'), some({ tool: 'linear_*' })).rule).toBe('allow linear_* (user)');
    expect(judged(call('jira_list', '*'), some({ tool: 'linear_*' })).action).toBe('ask');
    expect(judged('make', some({ tool: 'bash', role: 'worker' })).rule).toBe('allow bash for role worker (user)');
    expect(judged('make', some({ tool: 'bash', role: 'tester' })).action).toBe('ask');
    expect(judged('make', some({ backend: 'fake' })).rule).toBe('allow * on fake (user)');
    expect(judged('make', some({ backend: 'opencode' })).action).toBe('ask');
    expect(judged(call('write', '.env'), some({ tool: 'edit', pattern: '.env' })).action).toBe('allow');
    expect(
      judged(call('webfetch', 'https://docs.test/a'), some({ tool: 'webfetch', pattern: 'https://docs.test/*' }))
        .action,
    ).toBe('allow');
  });

  test('leave the rest to the default', () => {
    expect(judged('make', { default: 'deny', rules: [] })).toEqual({
      action: 'deny',
      rule: 'default',
      reason: 'No rule allows it.',
    });
    expect(judged('make', { default: 'allow', rules: [] })).toMatchObject({ action: 'allow', rule: 'default' });
    expect(judged('git push', { default: 'allow', rules: [] }).action).toBe('deny');
    expect(judged(call('doom_loop'), { default: 'allow', rules: [] }).action).toBe('ask');
  });

  test('allow nothing that is too long to be looked at', () => {
    const names = Array.from({ length: 6_000 }, (_, i) => `a${i}`);
    for (const line of [`env ${names.join(' ')}`, `$X; ${names.join(';')}`]) {
      expect(judged(line, anything)).toMatchObject({ action: 'ask', reason: 'It is too long to be judged.' });
    }
    expect(judged(names.join(';'), anything).action).toBe('allow');
  });
});

describe('grants', () => {
  const grant = (tool: string, patterns: readonly string[], more: Partial<Grant> = {}): Grant => ({
    id: 'grt_1',
    scope: 'session',
    sessionId: null,
    projectId: null,
    tool,
    patterns: [...patterns],
    grantedBy: 'me',
    expiresAt: null,
    state: 'active',
    createdAt: 0,
    updatedAt: 0,
    ...more,
  });
  const granted = (asked: ToolCall | string, ...grants: readonly Grant[]): PolicyVerdict =>
    judged(asked, NOTHING, { grants });

  test('cover exactly what was shown', () => {
    const docker = grant('bash', ['docker ps']);
    expect(granted('docker ps', docker)).toEqual({ action: 'allow', rule: 'grant grt_1 (session)', reason: null });
    expect(granted('docker  "ps"', docker).action).toBe('allow');
    expect(granted('cd src && docker ps', docker).action).toBe('allow');
    expect(granted('docker ps -a', docker).action).toBe('ask');
    expect(granted('docker ps; podman ps', docker).action).toBe('ask');
    expect(granted('docker ps; podman ps', docker, grant('bash', ['podman ps'])).action).toBe('allow');
    expect(granted('docker ps > x', docker).action).toBe('ask');
    expect(granted('docker ps > x', grant('bash', ['docker ps > x'])).action).toBe('allow');
    expect(granted('rm a.log', grant('bash', ['rm *.log'])).action).toBe('ask');
    expect(granted(call('external_directory', '/etc/*'), grant('external_directory', ['/etc/*'])).action).toBe('allow');
    expect(granted(call('webfetch', 'docker ps'), docker).action).toBe('ask');
    expect(granted(call('doom_loop'), grant('doom_loop', [])).action).toBe('allow');
  });

  test('know their paths below the working directory', () => {
    const more = {
      directory: '/w/task',
      grants: [grant('bash', ['make -C /w/task/a']), grant('edit', ['/w/task/.env'])],
    };
    expect(judged('make -C a', NOTHING, more).action).toBe('allow');
    expect(judged('make -C /w/task/a', NOTHING, more).action).toBe('allow');
    expect(judged(call('edit', '.env'), NOTHING, more).action).toBe('allow');
    expect(judged('make -C b', NOTHING, more).action).toBe('ask');
  });

  test('end at their time or when they are revoked', () => {
    expect(granted('docker ps', grant('bash', ['docker ps'], { expiresAt: 1_001 })).action).toBe('allow');
    expect(granted('docker ps', grant('bash', ['docker ps'], { expiresAt: 1_000 })).action).toBe('ask');
    expect(granted('docker ps', grant('bash', ['docker ps'], { state: 'revoked' })).action).toBe('ask');
  });

  test('are beaten by a rule that denies, and beat one that asks', () => {
    expect(granted('git push', grant('bash', ['git push'])).action).toBe('deny');
    expect(granted(call('read', '.env'), grant('read', ['.env'])).action).toBe('allow');
  });
});

describe('a read-only role', () => {
  const more = { isReadOnly: true, role: 'reviewer' };
  test.each<[ToolCall, PolicyVerdict['action']]>([
    [call('edit', 'a.ts'), 'deny'],
    [call('write', 'a.ts'), 'deny'],
    [call('read', 'a.ts'), 'allow'],
    [command('git diff | head'), 'allow'],
    [command('cat /etc/passwd'), 'ask'],
    [command('npm test'), 'deny'],
    [command('ls; npm test'), 'deny'],
    [command('find . -delete'), 'deny'],
    [command('cat $X'), 'deny'],
    [command('ls > x'), 'deny'],
    [command('make'), 'deny'],
    [call('webfetch', 'https://x.test'), 'ask'],
  ])('%j: %s', (asked, action) => {
    const verdict = judged(asked, NOTHING, more);
    expect(verdict.action).toBe(action);
    if (action === 'deny')
      expect(verdict).toMatchObject({
        rule: expect.stringContaining('reviewer'),
        reason: expect.stringMatching(/only reads/),
      });
    if (action === 'deny') expect(judged(asked, anything, more).action).toBe('deny');
  });
});

describe('profiles', () => {
  test('name every tool; equal ones have equal ids', () => {
    const worker = profileFor({});
    expect(Object.keys(worker.tools).sort()).toEqual([...PROFILE_TOOLS].sort());
    expect(worker.tools).toMatchObject({
      edit: 'ask',
      bash: 'ask',
      '*': 'ask',
      read: 'allow',
      question: 'allow',
      doom_loop: 'ask',
    });
    expect(profileFor({ model: 'a/b', prompt: 'x' })).toEqual(worker);
    const reviewer = profileFor({ isReadOnly: true });
    expect(reviewer.tools).toEqual({ ...worker.tools, edit: 'deny' });
    expect(reviewer.id).not.toBe(worker.id);
  });
});

describe('policyTest', () => {
  const settings = {
    defaultBackend: 'fake',
    defaultRole: 'worker',
    roles: { worker: {}, reviewer: { isReadOnly: true } },
    policy: NOTHING,
  };

  test('says what would be done, by which rule, with what patterns', () => {
    expect(policyTest({ tool: 'bash', value: 'git  push; ls' }, settings)).toMatchObject({
      action: 'deny',
      rule: 'deny bash "git push *" (built-in)',
      patterns: ['git push', 'ls'],
    });
    expect(policyTest({ tool: 'edit', value: 'a.ts' }, settings)).toMatchObject({
      action: 'allow',
      patterns: ['a.ts'],
    });
    expect(policyTest({ tool: 'edit', value: 'a.ts', role: 'reviewer' }, settings).action).toBe('deny');
    expect(() => policyTest({ tool: 'edit', value: 'a.ts', role: 'toString' }, settings)).toThrow(
      /known: worker, reviewer/,
    );
  });
});

test.each([
  ['*', '', true],
  ['git push *', 'git push', true],
  ['git push *', 'git push x', true],
  ['git push *', 'git pushx', false],
  ['a*b*c', 'a1b2c', true],
  ['a*b*c', 'acb', false],
  ['*ab', 'aab', true],
  ['ab*ba', 'aba', false],
  ['a.c', 'abc', false],
  ['https://x/?q=*', 'https://x/?q=1', true],
  ['**/x', 'a/b/x', true],
])('the pattern %j fits %j: %s', (pattern, text, expected) => {
  expect(fits(pattern, text)).toBe(expected);
});
