import type { Agent } from '../../contract/agent.ts';
import type { ParsedInputOf } from '../../contract/api.ts';
import { isSessionOver, type Session } from '../../contract/session.ts';
import type { AgentRow, AgentRowState } from '../../contract/shapes.ts';
import type { Parts } from '../parts.ts';
import { needProject } from '../projects.ts';
import { blockedNow, blockText } from '../scheduling/breaker.ts';
import type { Probes } from '../scheduling/probes.ts';
import { needAgent } from './addresses.ts';

type Filter = ParsedInputOf<'agents.list'>;

/** Every agent that the filter leaves, by address; a backend that fails is a row with its error, never a gap. */
export async function agentRows(parts: Parts, probes: Probes, filter: Filter): Promise<AgentRow[]> {
  const { read } = parts.store;
  const agent = filter.agent === undefined ? undefined : needAgent(read, filter.agent).id;
  const project = filter.project === undefined ? undefined : needProject(parts, filter.project).name;
  const rows = read.agents
    .list({})
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((one) => rowOf(parts, one))
    .filter((row) => isMeant(row, { ...filter, agent, project }));
  const wanted = filter.backend === undefined ? backendsInUse(parts) : new Set([filter.backend]);
  const broken = (await probes.all()).filter((b) => b.problem !== null && wanted.has(b.id));
  const down = [...blockedNow(parts, read)].filter(([id]) => wanted.has(id) && !broken.some((b) => b.id === id));
  return [
    ...rows,
    ...broken.map((b) => ({ ...NO_AGENT, backend: b.id, error: b.problem })),
    ...down.map(([id, block]) => ({ ...NO_AGENT, backend: id, error: blockText(block) })),
  ];
}

/** Those of agents and roles, and the default: a program that nobody uses need not be there. */
function backendsInUse({ store, settingsFor }: Parts): ReadonlySet<string> {
  const { defaultBackend, roles } = settingsFor(null);
  const ofRoles = Object.values(roles).flatMap(({ backend }) => backend ?? []);
  return new Set([defaultBackend, ...ofRoles, ...store.read.agents.list({}).map((agent) => agent.backend)]);
}

const NO_AGENT = {
  role: '-',
  name: '-',
  project: '-',
  state: 'error',
  activity: null,
  task: null,
  request: null,
  agent: null,
  session: null,
  model: null,
  workspace: null,
  host: null,
  age: null,
  last: null,
  cost: null,
} as const;

function isMeant(row: AgentRow, { node, since, ...equal }: Filter): boolean {
  const isEqual = Object.entries(equal).every(
    ([key, value]) => value === undefined || row[key as keyof AgentRow] === value,
  );
  return isEqual && (node === undefined || row.host === node) && (since === undefined || (row.last ?? 0) >= since);
}

/** An agent as lists show it. */
export function rowOf({ store, clock }: Parts, agent: Agent): AgentRow {
  const { read } = store;
  const session = agent.sessionId ? read.sessions.get(agent.sessionId) : null;
  const costs = read.sessions.list({ agent: agent.id }).map((s) => s.usage.costUsd);
  const cost = costs.every((c) => c !== null) && costs.length > 0 ? costs.reduce((sum, c) => sum + c, 0) : null;
  return {
    backend: agent.backend,
    role: agent.role,
    name: agent.name,
    project: agent.projectId === null ? '-' : read.projects.need(agent.projectId).name,
    state: stateOf(agent, session),
    activity: session && !isSessionOver(session.state) ? session.activity : null,
    task: agent.taskId,
    request: agent.taskId ? read.tasks.need(agent.taskId).requestId : null,
    agent: agent.id,
    session: agent.sessionId,
    model: agent.model,
    workspace: session?.directory ?? null,
    host: session?.host ?? null,
    age: clock.now() - agent.createdAt,
    last: session?.lastEventAt ?? null,
    cost,
    error: session?.failure?.message ?? null,
  };
}

/** That it is stopped, or its session's, as long as it has one that is not over. */
function stateOf(agent: Agent, session: Session | null): AgentRowState {
  if (agent.lent) return 'attached';
  if (agent.state !== 'stopped' && session && !isSessionOver(session.state)) return session.state;
  return agent.state === 'working' ? 'starting' : agent.state;
}
