import { expect, test } from 'vitest';
import { profileWith } from '../../../test/support/backend-session.ts';
import { profileFault } from './agents.ts';
import { type NativeRule, rulesOf } from './permissions.ts';

const profile = profileWith({ bash: 'ask', edit: 'ask' });
const rule = (permission: string, pattern: string, action: string) => ({ permission, pattern, action });
const defaults = [rule('*', '*', 'allow'), rule('doom_loop', '*', 'ask'), rule('read', '*.env', 'ask')];
const block = rulesOf(profile);
const faultOf = (...rules: NativeRule[]): string | null =>
  profileFault(
    [
      { name: 'build', rules: [...defaults, ...block] },
      { name: 'theirs', rules },
    ],
    profile,
  );

test('the profile holds where nothing after it lets more through', () => {
  const outputs = rule('external_directory', '/home/user/.local/share/opencode/tool-output/*', 'allow');
  expect(faultOf(...defaults, ...block, outputs)).toBeNull();
  expect(faultOf(...defaults, rule('bash', '*', 'allow'), ...block)).toBeNull();
  expect(faultOf(...defaults, ...block, rule('bash', 'rm *', 'deny'), rule('read', '*', 'deny'))).toBeNull();
});

test.each([
  ['a tool that is let through', rule('bash', '*', 'allow')],
  ['a pattern that is let through', rule('bash', 'git *', 'allow')],
  ['everything let through', rule('*', 'x', 'allow')],
  ['secret files let through', rule('read', '*', 'allow')],
])('the profile does not hold with %s after it', (_, loose) => {
  const strict = profileWith({ bash: 'ask', '*': 'ask' });
  expect(profileFault([{ name: 'theirs', rules: [...rulesOf(strict), loose] }], strict)).toContain('theirs');
});

test('an agent that does not have the profile at all is named', () => {
  expect(faultOf(...defaults)).toContain('theirs');
});
