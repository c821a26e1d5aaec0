import { type ELDHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '../base/clock.ts';
import { type Family, gauge, type Labels } from '../base/exposition.ts';
import { FactMetrics } from '../bridges/metrics/fact-metrics.ts';
import { isSessionOver, SessionState } from '../contract/session.ts';
import { isTaskOver, TaskState } from '../contract/task.ts';
import type { ProjectionStatus } from '../contract/webhook.ts';
import type { Engine } from '../engine/engine.ts';
import { blocksOf } from '../engine/scheduling/breaker.ts';
import type { Host } from '../hosts/host.ts';
import type { Reader, Store } from '../store/store.ts';
import { treeMetrics } from './tree-metrics.ts';
import { VERSION } from './version.ts';

type MetricParts = {
  readonly store: Store;
  readonly engine: Engine;
  readonly host: Host;
  readonly clock: Clock;
  readonly startedAt: number;
  readonly projections: () => readonly ProjectionStatus[];
};

const LIVE_SESSIONS = SessionState.options.filter((state) => !isSessionOver(state));
const OPEN_TASKS = TaskState.options.filter((state) => !isTaskOver(state));
/** How exactly the lag of the event loop is seen, ms. */
const LAG_RESOLUTION_MS = 20;
const NS_PER_SECOND = 1e9;

/**
 * What this daemon measures: counts and distributions from facts since its start, the rest as it is at the moment of asking.
 * Nothing is stored for it, and a daemon that nobody asks pays nothing: the event loop is watched from the first time on.
 */
export function daemonMetrics(parts: MetricParts): () => Promise<readonly Family[]> {
  const { store } = parts;
  const facts = new FactMetrics(store.journal, {
    backendOfSession: (id) => store.read.sessions.get(id)?.backend ?? null,
    backendOfAgent: (address) => store.read.agents.get(address)?.backend ?? null,
    attemptState: (id) => store.read.attempts.get(id)?.state ?? null,
  });
  const trees = treeMetrics(parts);
  let lag: ELDHistogram | null = null;
  return async () => {
    lag ??= watched();
    return [
      ...processFamilies(parts, lag),
      ...workFamilies(parts),
      ...storeFamilies(parts),
      ...(await trees()),
      ...(await facts.families()),
    ];
  };
}

function watched(): ELDHistogram {
  const histogram = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  histogram.enable();
  return histogram;
}

function processFamilies({ startedAt }: MetricParts, lag: ELDHistogram): Family[] {
  const { user, system } = process.cpuUsage();
  const quantiles = [50, 90, 99].map((p): [Labels, number] => [
    { quantile: String(p / 100) },
    secondsOver(lag.percentile(p)),
  ]);
  const worst: [Labels, number] = [{ quantile: '1' }, lag.count === 0 ? 0 : secondsOver(lag.max)];
  lag.reset();
  return [
    gauge('gantry_info', 'The version that runs.', [[{ version: VERSION, node: process.version }, 1]]),
    gauge('gantry_start_time_seconds', 'When the daemon started, Unix time.', [[{}, startedAt / 1_000]]),
    gauge('gantry_resident_memory_bytes', 'Resident memory of the daemon.', [[{}, process.memoryUsage.rss()]]),
    {
      name: 'gantry_cpu_seconds_total',
      help: 'User and system time of the daemon.',
      type: 'counter',
      samples: [{ suffix: '', labels: {}, value: (user + system) / 1e6 }],
    },
    gauge('gantry_event_loop_lag_seconds', 'How late the event loop was, since the last time this was asked for.', [
      ...quantiles,
      worst,
    ]),
  ];
}

/** A timer that is on time is late by the resolution of its watching. */
const secondsOver = (ns: number): number => Math.max(0, ns / NS_PER_SECOND - LAG_RESOLUTION_MS / 1_000);

function workFamilies({ store, engine, clock }: MetricParts): Family[] {
  const { read } = store;
  const sessions = new Map<string, [Labels, number]>();
  for (const { backend, agent, state, host } of read.sessions.list({ state: LIVE_SESSIONS })) {
    const [project = 'none', role = 'none'] = agent?.split('/') ?? [];
    const labels = { backend, role, project, state, host };
    const key = JSON.stringify(labels);
    sessions.set(key, [labels, (sessions.get(key)?.[1] ?? 0) + 1]);
  }
  const tasks = OPEN_TASKS.map((state): [Labels, number] => [{ state }, read.tasks.count({ state })]);
  const waiting = read.tasks.list({ state: ['ready', 'deferred'] });
  const oldest = waiting.length === 0 ? 0 : clock.now() - Math.min(...waiting.map(({ updatedAt }) => updatedAt));
  return [
    gauge('gantry_sessions', 'Live sessions, by backend, role, project, state and host.', [...sessions.values()]),
    gauge('gantry_tasks', 'Tasks that are not over, by state.', tasks),
    gauge('gantry_queue_length', 'Tasks that could be given out: ready or deferred.', [[{}, waiting.length]]),
    gauge('gantry_queue_oldest_seconds', 'How long the oldest of them waits.', [[{}, oldest / 1_000]]),
    gauge('gantry_approvals_pending', 'Questions that wait for an answer.', [
      [{}, read.approvals.count({ state: 'pending' })],
    ]),
    ...blockFamilies(read, clock.now()),
    gauge('gantry_alerts_open', 'Open alerts.', [[{}, engine.queries.alerts().length]]),
  ];
}

/** Backends that failed since they last started. */
function blockFamilies(read: Reader, now: number): Family[] {
  const blocks = Object.entries(blocksOf(read));
  return [
    gauge(
      'gantry_backend_blocked',
      '1 while nothing is given to a backend that failed.',
      blocks.map(([backend, { until }]) => [{ backend }, until > now ? 1 : 0]),
    ),
    gauge(
      'gantry_backend_failures',
      'Its failures in a row.',
      blocks.map(([backend, { failures }]) => [{ backend }, failures]),
    ),
  ];
}

function storeFamilies({ store, clock, projections }: MetricParts): Family[] {
  const { fileBytes, usedBytes } = store.size();
  const all = projections();
  const byName = (value: (status: ProjectionStatus) => number): [Labels, number][] =>
    all.map((status) => [{ projection: status.name }, value(status)]);
  return [
    gauge('gantry_journal_head', 'Position of the newest fact.', [[{}, store.journal.head()]]),
    gauge('gantry_store_bytes', 'The database, by what: file (with its log) and used.', [
      [{ what: 'file' }, fileBytes],
      [{ what: 'used' }, usedBytes],
    ]),
    gauge(
      'gantry_projection_waiting',
      'What waits in the outbox, by projection.',
      byName(({ waiting }) => waiting),
    ),
    gauge(
      'gantry_projection_oldest_seconds',
      'How long the oldest of that waits, by projection.',
      byName(({ name }) => (clock.now() - (store.read.outbox.oldestAt(name) ?? clock.now())) / 1_000),
    ),
    gauge(
      'gantry_projection_behind',
      'Facts that were not read yet, by projection.',
      byName(({ behind }) => behind),
    ),
    gauge(
      'gantry_projection_delivered',
      'Deliveries ever, by projection.',
      byName(({ delivered }) => delivered),
    ),
    gauge(
      'gantry_projection_dropped',
      'Given up ever, by projection.',
      byName(({ dropped }) => dropped),
    ),
    gauge('gantry_projection_failing', '1 if the last delivery was not taken, by projection.', [
      ...byName(({ state }) => (state === 'ok' ? 0 : 1)),
    ]),
  ];
}
