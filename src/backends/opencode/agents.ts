import type { PermissionProfile } from '../backend.ts';
import type { NativeAgent } from './dialect.ts';
import { type NativeRule, rulesOf } from './permissions.ts';

const STRICTNESS: Readonly<Record<string, number>> = { allow: 0, ask: 1, deny: 2 };
const strictness = (action: string): number => STRICTNESS[action] ?? 0;
const isSame = (rule: NativeRule, other: NativeRule | undefined): boolean =>
  rule.permission === other?.permission && rule.pattern === other.pattern && rule.action === other.action;
/** The program lets its agents read the outputs that it has cut. */
const OWN_OUTPUTS = /\/opencode\/tool-output\/\*$/;

/**
 * What stands between the profile and an agent: its rules must hold the profile's as one block, and after it (the last
 * match decides) nothing that lets more through. @returns the fault in words; null if the profile holds.
 */
export function profileFault(agents: readonly NativeAgent[], profile: PermissionProfile): string | null {
  const block = rulesOf(profile);
  for (const { name, rules } of agents) {
    const start = rules.findLastIndex((_, from) => block.every((rule, offset) => isSame(rule, rules[from + offset])));
    if (start < 0) return `the agent "${name}" does not have the permission profile "${profile.id}"`;
    const looser = rules.slice(start + block.length).find(({ permission, pattern, action }) => {
      const own = block.filter((rule) => rule.permission === permission);
      const wanted = own.length > 0 ? own : block.filter((rule) => rule.permission === '*');
      const isOwn = permission === 'external_directory' && OWN_OUTPUTS.test(pattern);
      return !isOwn && strictness(action) < Math.max(...wanted.map((rule) => strictness(rule.action)));
    });
    if (looser) return `the agent "${name}" would have ${looser.permission} "${looser.pattern}" ${looser.action}ed`;
  }
  return null;
}
