import type { InputOf } from '../../src/contract/api.ts';
import { FACT_KINDS, type Fact, type FactKind } from '../../src/contract/fact.ts';
import { AgentAddress, ProjectId, RequestId, SessionId, TaskId } from '../../src/contract/ids.ts';
import { keyOf, type OutsideName, outsideOf } from './outside-key.ts';
import type { Route } from './route.ts';

/** Which facts: all that is named must hold. The daemon and the page filter by the same. */
export type FactFilter = Pick<InputOf<'facts.list'>, 'projectId' | 'requestId' | 'taskId' | 'sessionId' | 'agent'> & {
  readonly kind: readonly FactKind[];
  /** Only what this session of an outside program reported. */
  readonly outside: OutsideName | null;
};

/** Out of the address; what is no id there is left out. */
export function filterOf({ kinds, project, request, task, session, agent }: Route['query']): FactFilter {
  const wanted = (kinds ?? '').split(',');
  const outside = outsideOf(session ?? '');
  const ids = {
    projectId: ProjectId.safeParse(project).data,
    requestId: RequestId.safeParse(request).data,
    taskId: TaskId.safeParse(task).data,
    sessionId: SessionId.safeParse(session).data,
    agent: AgentAddress.safeParse(agent).data,
  };
  return { kind: outside ? ['observed'] : FACT_KINDS.filter((kind) => wanted.includes(kind)), outside, ...ids };
}

export function matches(fact: Fact, filter: FactFilter): boolean {
  if (filter.kind.length > 0 && !filter.kind.includes(fact.kind)) return false;
  if (filter.outside !== null && keyOf(fact) !== filter.outside.key) return false;
  const keys = ['projectId', 'requestId', 'taskId', 'sessionId', 'agent'] as const;
  return keys.every((key) => filter[key] === undefined || filter[key] === fact[key]);
}
