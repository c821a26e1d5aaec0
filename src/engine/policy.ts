import { createHash } from 'node:crypto';
import { type PermissionProfile, PROFILE_TOOLS, type ProfileTool } from '../backends/backend.ts';
import type { Grant, PolicyVerdict, ToolCall } from '../contract/approval.ts';
import type { RoleSettings } from '../contract/config.ts';
import type { BackendId } from '../contract/ids.ts';
import type { Settings } from './settings.ts';

export type PolicyInput = {
  readonly call: ToolCall;
  readonly role: string;
  readonly isReadOnly: boolean;
  readonly backend: BackendId;
};

export function decide(
  _input: PolicyInput,
  policy: Settings['policy'],
  _grants: readonly Grant[],
  _now: number,
): PolicyVerdict {
  return { action: policy.default, rule: 'default', reason: null };
}

export function commandPatterns(command: string): readonly string[] {
  return [command];
}

const TOOL_ACTIONS: Readonly<Record<ProfileTool, 'allow' | 'ask' | 'deny'>> = {
  read: 'allow',
  edit: 'ask',
  glob: 'allow',
  grep: 'allow',
  list: 'allow',
  bash: 'ask',
  task: 'allow',
  external_directory: 'ask',
  todowrite: 'allow',
  question: 'allow',
  webfetch: 'ask',
  websearch: 'ask',
  lsp: 'allow',
  doom_loop: 'ask',
  skill: 'allow',
  '*': 'ask',
};

/** What a role's agents may do by themselves. `question` is allowed so that the tool exists: its questions come to the inbox. */
export function profileFor(role: RoleSettings): PermissionProfile {
  const tools = { ...TOOL_ACTIONS, edit: role.isReadOnly ? 'deny' : 'ask' } as const;
  const key = PROFILE_TOOLS.map((tool) => `${tool}=${tools[tool]}`).join(',');
  return { id: createHash('sha256').update(key).digest('hex').slice(0, 12), tools };
}
