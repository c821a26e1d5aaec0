import type { PermissionProfile } from '../backend.ts';

export type NativeRule = { readonly permission: string; readonly pattern: string; readonly action: string };

/** OpenCode asks before it reads these, unless a bare `allow` lifts that (opencode-ai 1.18.33). */
const SECRET_FILES = [
  { pattern: '*.env', action: 'ask' },
  { pattern: '*.env.*', action: 'ask' },
  { pattern: '*.env.example', action: 'allow' },
] as const;

/** The permissions that Gantry wants: every key has a value, and the one for all others comes first (the last match decides). */
export function rulesOf({ tools }: PermissionProfile): readonly NativeRule[] {
  const { '*': rest, ...named } = tools;
  return Object.entries({ '*': rest, ...named }).flatMap(([permission, action]) => [
    { permission, pattern: '*', action },
    ...(permission === 'read' && action === 'allow' ? SECRET_FILES.map((file) => ({ permission, ...file })) : []),
  ]);
}

/** The same in the form of OpenCode's configuration. */
export function permissionsOf(profile: PermissionProfile): Readonly<Record<string, unknown>> {
  const byKey = Object.groupBy(rulesOf(profile), ({ permission }) => permission);
  const settingOf = (rules: readonly NativeRule[]): unknown =>
    rules.length === 1 ? rules[0]?.action : Object.fromEntries(rules.map(({ pattern, action }) => [pattern, action]));
  return Object.fromEntries(Object.entries(byKey).map(([permission, rules = []]) => [permission, settingOf(rules)]));
}
