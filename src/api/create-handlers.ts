import type { Clock } from '../base/clock.ts';
import type { OutputOf, ParsedInputOf } from '../contract/api.ts';
import type { Caller } from '../contract/caller.ts';
import { AppError } from '../contract/errors.ts';
import { FACT_KINDS, type FactKind } from '../contract/fact.ts';
import type { FleetNode } from '../contract/node.ts';
import type { DaemonStatus } from '../contract/shapes.ts';
import type { Engine } from '../engine/engine.ts';
import type { History } from '../history/history.ts';
import type { Access } from './access.ts';
import { delegationHandlers, type Health } from './delegation-handlers.ts';
import type { EventParts } from './events/door.ts';
import type { JournalReader } from './fact-pages.ts';
import type { Handlers } from './handlers.ts';
import { lifeHandlers } from './life-handlers.ts';
import { questionHandlers } from './question-handlers.ts';
import { type FactSearch, searchFacts } from './search.ts';
import { present } from './stream-query.ts';

/** What only the daemon itself knows or does. */
export type DaemonControl = {
  /** Where this daemon is reached. */
  readonly url: () => string;
  readonly status: () => DaemonStatus;
  readonly health: () => Health;
  /** Begins to stop, once the answer has gone out. */
  readonly shutdown: (cause: string, caller: Caller) => void;
  readonly explainConfig: (input: ParsedInputOf<'config.explain'>) => OutputOf<'config.explain'>;
  readonly doctor: (input: ParsedInputOf<'doctor'>) => Promise<OutputOf<'doctor'>>;
  readonly nodes: () => FleetNode[];
  readonly projections: {
    readonly list: () => OutputOf<'projections.list'>;
    readonly test: (name: string) => Promise<OutputOf<'projections.test'>>;
    readonly rebuild: (name: string, since: number) => OutputOf<'projections.rebuild'>;
  };
};

export type HandlerParts = {
  readonly engine: Engine;
  readonly access: Access;
  readonly daemon: DaemonControl;
  readonly journal: JournalReader;
  readonly history: History;
  readonly search: FactSearch;
  readonly events: Pick<EventParts, 'events' | 'rules'>;
  readonly clock: Clock;
};

/** The operations: each is a call of the engine, the tokens, the journal or the daemon. */
export function createHandlers(parts: HandlerParts): Handlers {
  const { engine, access, daemon, journal, history, search, clock } = parts;
  const { queries } = engine;
  return {
    status: () => daemon.status(),
    shutdown: ({ cause }, caller) => {
      daemon.shutdown(cause, caller);
      return { isStopping: true };
    },
    view: ({ requestId }) => queries.view(requestId),
    'backends.list': async () => ({ items: await queries.backends() }),
    'projects.list': () => ({ items: queries.projects() }),
    'projects.add': (input, caller) => engine.addProject(input, caller),
    'projects.remove': ({ project }, caller) => engine.removeProject(project, caller),
    'requests.submit': (input, caller) => engine.submit(input, caller),
    'plans.preview': (input, caller) => engine.previewPlan(input, caller),
    'requests.list': (input) => queries.requests(input),
    'requests.get': ({ id }) => queries.request(id),
    'requests.execute': ({ id }, caller) => engine.execute(id, caller),
    'requests.diff': ({ id, maxBytes }) => engine.diff(id, maxBytes),
    'tasks.list': (input) => queries.tasks(input),
    'tasks.get': ({ id }) => queries.task(id),
    'things.explain': ({ id }) => engine.explain(id),
    'things.cancel': ({ id, reason }, caller) => engine.cancel(id, reason, caller),
    'things.pause': ({ id, reason }, caller) => engine.pause(id, reason, caller),
    'things.resume': ({ id, reason }, caller) => engine.resume(id, reason, caller),
    'things.retry': ({ id, reason }, caller) => engine.retry(id, reason, caller),
    'sessions.list': (input) => queries.sessions(input),
    'sessions.transcript': ({ id }) => ({ items: queries.transcript(id) }),
    'agents.list': async (input) => ({ items: await queries.agents(input) }),
    'tasks.sling': (input, caller) => engine.sling(input, caller),
    'queue.list': ({ project }) => ({ items: queries.queue(project) }),
    estop: (input, caller) => engine.estop(input, caller),
    thaw: (input, caller) => engine.thaw(input, caller),
    'approvals.list': (input) => queries.approvals(input),
    'approvals.get': ({ id }) => queries.approval(id),
    'approvals.allow': ({ id, scope, ttlMs }, caller) => {
      const expiresAt = ttlMs === undefined ? null : clock.now() + ttlMs;
      return engine.decide(id, { type: 'allow', scope, expiresAt }, caller);
    },
    'approvals.deny': ({ id, reason }, caller) => engine.decide(id, { type: 'deny', reason }, caller),
    'approvals.answer': ({ id, answers }, caller) => engine.decide(id, { type: 'answer', answers }, caller),
    'grants.list': () => queries.grants(),
    'grants.revoke': ({ id }, caller) => engine.revokeGrant(id, caller),
    'policy.test': (input) => engine.testPolicy(input),
    'messages.send': (input, caller) => engine.send(input, caller),
    'messages.broadcast': (input, caller) => engine.broadcast(input, caller),
    'messages.escalate': (input, caller) => ({ items: engine.escalate(input, caller) }),
    'messages.list': (input, caller) => ({ items: queries.messages(input, caller) }),
    'messages.read': ({ id }, caller) => engine.readMessage(id, caller),
    'messages.archive': ({ id }, caller) => engine.archiveMessage(id, caller),
    'merges.add': (input, caller) => engine.merges.add(input, caller),
    'merges.list': (input) => engine.merges.list(input),
    'merges.review': (input, caller) => engine.merges.review(input, caller),
    'merges.retry': ({ id }, caller) => engine.merges.retry(id, caller),
    'merges.withdraw': ({ id, reason }, caller) => engine.merges.withdraw(id, reason, caller),
    'history.sessions': (input) => history.sessions(input),
    'history.messages': ({ id, after = null, ...input }) => history.messages(id, { ...input, after }),
    'history.search': (input) => history.search(input),
    'facts.list': (input) => listFacts(journal, input),
    'facts.search': (input) => searchFacts(journal, search, input),
    'usage.summary': (input) => queries.usage(input),
    'budgets.list': () => ({ items: queries.budgets() }),
    'exec.start': (input) => engine.exec(input),
    'exec.wait': ({ id, waitMs }) => engine.execResult(id, waitMs),
    'config.explain': (input) => daemon.explainConfig(input),
    doctor: (input) => daemon.doctor(input),
    'nodes.list': () => ({ items: daemon.nodes() }),
    'projections.list': () => daemon.projections.list(),
    'projections.test': ({ name }) => daemon.projections.test(name),
    'projections.rebuild': ({ name, since }) => daemon.projections.rebuild(name, since),
    'tokens.create': (input) => access.create(input),
    'tokens.list': () => ({ items: access.list() }),
    'tokens.revoke': ({ id }) => access.revoke(id),
    ...lifeHandlers(engine.agents),
    ...delegationHandlers(engine.delegations, daemon.health),
    ...questionHandlers(parts),
    'login.create': () => {
      const { code, expiresAt } = access.createLogin();
      return { url: `${daemon.url()}/login?code=${code}`, expiresAt };
    },
  };
}

/** Without `since` the most recent; from 0, or with `kept`, what is still kept; else only if nothing is missing. */
async function listFacts(journal: JournalReader, input: ParsedInputOf<'facts.list'>): Promise<OutputOf<'facts.list'>> {
  const { since, kept, recent, limit, kind, class: classes, actor: actors, source: sources, ...subject } = input;
  if (since !== undefined && recent !== undefined) {
    throw new AppError('bad_request', 'either `since` or `recent`, not both');
  }
  const filter = present({ ...subject, classes, actors, sources, kinds: kind?.map(requireKind) });
  if (since === undefined) {
    const next = journal.head();
    const { facts, isCut } = await journal.newest(recent ?? limit, filter);
    return { items: [...facts], next, isCut };
  }
  const page = journal.since(since, { ...filter, limit });
  if (!kept && since > 0 && since < page.prunedTo) {
    const details = { prunedTo: page.prunedTo };
    throw new AppError('gone', `facts after ${since} are no longer kept; go on from ${page.prunedTo}`, { details });
  }
  return { items: [...page.facts], next: page.next };
}

function requireKind(kind: string): FactKind {
  const known = FACT_KINDS.find((one) => one === kind);
  if (known === undefined) {
    throw new AppError('bad_request', `there is no kind of fact ${JSON.stringify(kind)}: ${FACT_KINDS.join(', ')}`);
  }
  return known;
}
