import type { PermissionProfile } from '../backend.ts';
import type { NativeAgent } from './dialect.ts';
import { permissionsOf } from './plan.ts';

const STRICTNESS: Readonly<Record<string, number>> = { allow: 0, ask: 1, deny: 2 };
/** The program lets its agents read the outputs that it has cut. */
const OWN_OUTPUTS = /\/opencode\/tool-output\/\*$/;

/**
 * What stands between the profile and an agent: its rules must hold the profile's as one block, and after it (the last
 * match decides) nothing that lets more through. @returns the fault in words; null if the profile holds.
 */
export function profileFault(agents: readonly NativeAgent[], profile: PermissionProfile): string | null {
  const wanted = permissionsOf(profile);
  const block = Object.entries(wanted);
  for (const { name, rules } of agents) {
    const start = rules.findLastIndex((_, from) =>
      block.every(([permission, action], offset) => {
        const rule = rules[from + offset];
        return rule?.permission === permission && rule.pattern === '*' && rule.action === action;
      }),
    );
    if (start < 0) return `the agent "${name}" does not have the permission profile "${profile.id}"`;
    const looser = rules.slice(start + block.length).find(({ permission, pattern, action }) => {
      const least = STRICTNESS[wanted[permission] ?? wanted['*'] ?? 'deny'] ?? 2;
      const isOwn = permission === 'external_directory' && OWN_OUTPUTS.test(pattern);
      return !isOwn && (STRICTNESS[action] ?? 0) < least;
    });
    if (looser) return `the agent "${name}" would have ${looser.permission} "${looser.pattern}" ${looser.action}ed`;
  }
  return null;
}
