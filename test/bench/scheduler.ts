import type { AgentAddress, ProjectId, RequestId, TaskId } from '../../src/contract/ids.ts';
import { type Candidate, type Capacity, choose, roleKey } from '../../src/engine/scheduling/scheduler.ts';
import { type Measure, sampled } from './report.ts';

const TASKS = 10_000;
const AGENTS = 500;
const PROJECTS = 20;
const LIMIT_MS = 5;

/** The choice alone: what is read from the store before it is no part of this. */
export const scheduler: Measure = {
  name: 'scheduler',
  title: 'Choosing what starts next',
  how: `The pure choice among ${TASKS.toLocaleString('en-US')} ready tasks of ${PROJECTS} projects while ${AGENTS} agents are at work, with every limit set; a place is free for a tenth of the agents.`,
  run: async ({ isQuick }) => {
    const ready = Array.from({ length: TASKS }, (_, n) => candidate(n, 'ready'));
    const active = Array.from({ length: AGENTS }, (_, n) => candidate(n, 'active'));
    const capacity = capacityFor(active);
    const values = Array.from({ length: isQuick ? 20 : 200 }, () => {
      const began = performance.now();
      const { start, waiting } = choose(ready, active, capacity);
      const took = performance.now() - began;
      if (start.length + waiting.length !== TASKS || start.length === 0) throw new Error('a task was lost');
      return took;
    });
    return [sampled(`choice among ${TASKS} tasks, ${AGENTS} agents at work`, 'ms', values, LIMIT_MS)];
  },
};

const project = (n: number): ProjectId => `prj_${String(n % PROJECTS).padStart(9, '0')}`;
const request = (n: number): RequestId => `req_${String(n % 200).padStart(9, '0')}`;
const agent = (n: number): AgentAddress => `p${n % PROJECTS}/worker/worker-${n}`;

function candidate(n: number, kind: 'ready' | 'active'): Candidate {
  return {
    id: `tsk_${kind}${String(n).padStart(9, '0')}` as TaskId,
    requestId: request(n),
    projectId: project(n),
    backend: n % 2 === 0 ? 'opencode' : 'claude',
    role: 'worker',
    target: n % 10 === 0 ? agent(n) : null,
    priority: n % 5,
    requestCreatedAt: n % 200,
    position: n % 7,
    createdAt: n,
    files: [`src/${kind}/${n}.ts`, `test/${kind}/${n}.ts`],
  };
}

function capacityFor(active: readonly Candidate[]): Capacity {
  const projects = Array.from({ length: PROJECTS }, (_, n) => project(n));
  return {
    maxParallel: AGENTS + AGENTS / 10,
    perRequest: new Map(Array.from({ length: 200 }, (_, n) => [request(n), 8])),
    perBackend: new Map([
      ['opencode', AGENTS],
      ['claude', AGENTS],
    ]),
    perProject: new Map(projects.map((id) => [id, AGENTS])),
    perRole: new Map(projects.map((id) => [roleKey(id, 'worker'), AGENTS])),
    unusable: new Map(),
    stopped: new Map(),
    busy: new Map(active.flatMap(({ target }, n) => (target === null ? [] : [[agent(n), `${target} is at work`]]))),
    overBudget: new Map(),
    memory: {
      left: AGENTS,
      expected: new Map(['opencode', 'claude'].map((id) => [id, { bytes: 1, text: 'as measured' }])),
      text: 'memory',
    },
  };
}
