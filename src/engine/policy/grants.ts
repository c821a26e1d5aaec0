import { newId } from '../../base/ids.ts';
import type { Approval, Grant } from '../../contract/approval.ts';
import type { SessionId } from '../../contract/ids.ts';

/** A person's standing yes, made from the very patterns that were asked: what the card showed is what is remembered. */
export function grantFor(
  approval: Approval,
  scope: 'session' | 'project',
  by: { sessionId: SessionId; projectId: string | null; by: string; expiresAt: number | null; now: number },
): Grant {
  const call = approval.subject.type === 'permission' ? approval.subject.call : { tool: 'question', patterns: [] };
  return {
    id: newId('grt', by.now),
    scope,
    sessionId: scope === 'session' ? by.sessionId : null,
    projectId: scope === 'project' ? by.projectId : null,
    tool: call.tool,
    patterns: [...call.patterns],
    grantedBy: by.by,
    expiresAt: by.expiresAt,
    state: 'active',
    createdAt: by.now,
    updatedAt: by.now,
  };
}
