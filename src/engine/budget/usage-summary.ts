import type { OutputOf, ParsedInputOf } from '../../contract/api.ts';
import type { Session } from '../../contract/session.ts';
import { addUsage, hasTokens, NO_USAGE, type Usage } from '../../contract/usage.ts';
import type { UsageRow } from '../../contract/usage-row.ts';
import type { Parts } from '../parts.ts';
import { needProject } from '../projects.ts';
import { priced } from './prices.ts';
import { dayOf } from './spent-today.ts';

type Reading = Pick<Parts, 'store' | 'clock' | 'settingsFor'>;

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
const PAGE = 500;

/** What was used, and by what. */
export type UsageEntry = {
  /** ms, when it began. */
  readonly at: number;
  readonly project: string | null;
  readonly role: string;
  readonly backend: string;
  readonly model: string | null;
  readonly usage: Usage;
};

/** Tokens and money per day, project, role, backend and model. */
export function usageSummary(parts: Reading, input: ParsedInputOf<'usage.summary'>): OutputOf<'usage.summary'> {
  const until = input.until ?? parts.clock.now();
  const since = input.since ?? until - DEFAULT_DAYS * DAY_MS;
  const project = input.project === undefined ? null : needProject(parts, input.project).name;
  const entries = [...sessionEntries(parts, since), ...plannerEntries(parts, since), ...outsideEntries(parts, since)];
  const wanted = entries.filter(({ at, project: own }) => at <= until && (project === null || own === project));
  return { since, until, rows: summarize(wanted) };
}

/** Newest day first. Pure. */
export function summarize(entries: readonly UsageEntry[]): UsageRow[] {
  const groups = Map.groupBy(entries, ({ at, project, role, backend, model }) =>
    JSON.stringify([dayOf(at), project, role, backend, model]),
  );
  const rows = [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { at, project, role, backend, model } = first;
    const isUnpriced = ({ usage }: UsageEntry): boolean => usage.costUsd === null && hasTokens(usage);
    const { costUsd: _, ...tokens } = group.reduce((sum, { usage }) => addUsage(sum, usage), NO_USAGE);
    const row: UsageRow = {
      day: dayOf(at),
      project,
      role,
      backend,
      model,
      sessions: group.length,
      unpriced: group.filter(isUnpriced).length,
      pricedUsd: group.reduce((sum, { usage }) => sum + (usage.costUsd ?? 0), 0),
      ...tokens,
    };
    return [row];
  });
  return rows.sort((a, b) => b.day.localeCompare(a.day));
}

function* sessionEntries(parts: Reading, since: number): Generator<UsageEntry> {
  const { read } = parts.store;
  const nameByPath = new Map(read.projects.list({}).map(({ path, name }) => [path, name]));
  const entryOf = ({ agent, purpose, directory, backend, model, usage, createdAt }: Session): UsageEntry => {
    const [project, role] = agent?.split('/') ?? [nameByPath.get(directory) ?? null, purpose];
    return { at: createdAt, project: project ?? null, role: role ?? purpose, backend, model, usage };
  };
  let after: string | undefined;
  for (;;) {
    const page = read.sessions.list({ order: 'desc', limit: PAGE, ...(after !== undefined && { after }) });
    for (const session of page) {
      if (session.createdAt < since) return;
      if (hasTokens(session.usage) || session.usage.costUsd !== null) yield entryOf(session);
    }
    after = page.at(-1)?.id;
    if (page.length < PAGE || after === undefined) return;
  }
}

/** Plans of a model that Gantry itself called: a backend's planner has a session, and is among those. */
function plannerEntries(parts: Reading, since: number): UsageEntry[] {
  const { read } = parts.store;
  return read.requests.list({}).flatMap(({ id, projectId, plan, createdAt }) => {
    if (createdAt < since || plan === null || !hasTokens(plan.usage) || hasPlannerSession(parts, id)) return [];
    const project = read.projects.get(projectId)?.name ?? null;
    return [{ at: createdAt, project, role: 'planner', backend: 'direct', model: null, usage: plan.usage }];
  });
}

/** Sessions of outside programs, as far as their events tell. */
function outsideEntries({ store, settingsFor }: Reading, since: number): UsageEntry[] {
  const { prices } = settingsFor(null);
  const rows = store.events.usage(since).filter(({ at }) => at >= since);
  return rows.map(({ at, source, model, usage }) => {
    const known = priced(usage, model, prices);
    return { at, project: null, role: 'outside', backend: source, model, usage: known };
  });
}

const hasPlannerSession = (parts: Reading, id: string): boolean =>
  parts.store.read.meta.get(`planner:${id}:1`) !== null;
