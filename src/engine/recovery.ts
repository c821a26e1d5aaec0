import { LIVE_ATTEMPT_STATES } from '../contract/attempt.ts';
import type { Session } from '../contract/session.ts';
import type { Loans } from './agents/loans.ts';
import type { StandingAgents } from './agents/standing.ts';
import { closeAlert } from './alerts.ts';
import type { Parts } from './parts.ts';
import type { Planning } from './planning/planning.ts';
import type { Dispatcher } from './scheduling/dispatch.ts';
import { stopFor } from './stops.ts';

const COMMAND_GRACE_MS = 2_000;

/** What a start found and did, in words: for the journal and the log. */
export type Recovered = { readonly lines: string[] };

/**
 * After any end of the daemon: programs that no live session owns are ended; live attempts and plans go on with the same
 * stored prompts; what cannot go on is said to be lost.
 */
export async function recover(
  parts: Parts,
  {
    planning,
    dispatcher,
    standing,
    loans,
  }: {
    readonly planning: Planning;
    readonly dispatcher: Dispatcher;
    readonly standing: StandingAgents;
    readonly loans: Loans;
  },
): Promise<Recovered> {
  const { read } = parts.store;
  const lines: string[] = [];
  const planningNow = read.requests.list({ state: 'planning' });
  const live = liveSessions(parts, new Set(planningNow.flatMap(({ id }) => planning.sessionsOf(id))));
  const inUse = new Set<string>(live.map((s) => s.id));
  for (const backend of parts.backends.values()) {
    for (const { what, pids } of await backend.sweep(inUse)) {
      lines.push(`ended ${what}`);
      parts.store.commit((tx) => tx.record('swept', { what, pids: [...pids] }, {}, 'gantry'));
    }
  }
  lines.push(...(await endCommands(parts)));
  for (const session of orphans(parts, inUse)) {
    const cause = 'its owner ended with an earlier daemon';
    const from = session.state;
    parts.store.commit((tx) =>
      tx.sessions.move(session.id, from, 'failed', { cause, endedAt: parts.clock.now() }, { actor: 'gantry', cause }),
    );
    lines.push(`session ${session.id} was lost: ${cause}`);
  }
  for (const request of planningNow) {
    if (stopFor(read, request.projectId)) continue;
    planning.start(request.id);
    lines.push(`planning of ${request.id} goes on`);
  }
  lines.push(...(await loans.recover()));
  for (const id of dispatcher.bringBack(null)) lines.push(`attempt ${id} goes on`);
  freeAgents(parts);
  for (const id of standing.bringBack()) lines.push(`${id} stands by again`);
  parts.store.commit((tx) => closeAlert(tx, 'daemon', 'started', {}));
  return { lines };
}

/** Sessions that something will open again: of live attempts, of waiting retries, of standing agents, of plans under way. */
function liveSessions(parts: Parts, ofPlans: ReadonlySet<string>): Session[] {
  const { read } = parts.store;
  const attempts = read.attempts.list({ state: LIVE_ATTEMPT_STATES });
  const tasks = read.tasks.list({ state: ['ready', 'deferred', 'waiting'] });
  const kept = new Set<string>(attempts.flatMap((a) => a.sessionId ?? []));
  for (const task of tasks) {
    const attempt = task.attemptId ? read.attempts.need(task.attemptId) : null;
    if (attempt?.sessionId && attempt.state !== 'superseded') kept.add(attempt.sessionId);
  }
  for (const { standing } of read.agents.list({})) if (standing) kept.add(standing.sessionId);
  const open = read.sessions.list({ state: ['starting', 'running', 'paused', 'lost', 'stopping'] });
  return open.filter((s) => kept.has(s.id) || ofPlans.has(s.id));
}

/** Setup, check and gate commands that an earlier daemon left running: they are run again. */
async function endCommands(parts: Parts): Promise<string[]> {
  const { host, store } = parts;
  const { sessions, attempts, merges } = store.read;
  const found = await Promise.all(['sess_', 'att_', 'mrg_'].map((prefix) => host.find(prefix)));
  const left = found.flat().filter(({ marker }) => {
    const [id = '', what] = marker.split('.');
    const isOurs = [sessions, attempts, merges].some((rows) => rows.get(id) !== null);
    return isOurs && (what === 'check' || what === 'setup' || what === 'gate');
  });
  const ended: string[] = [];
  for (const marker of new Set(left.map((record) => record.marker))) {
    const records = left.filter((record) => record.marker === marker);
    for (const record of records) await host.stop(record, { graceMs: COMMAND_GRACE_MS });
    const what = `command ${marker}`;
    store.commit((tx) => tx.record('swept', { what, pids: records.map((r) => r.pid) }, {}, 'gantry'));
    ended.push(`ended ${what}`);
  }
  return ended;
}

function orphans(parts: Parts, inUse: ReadonlySet<string>): Session[] {
  const open = parts.store.read.sessions.list({ state: ['starting', 'running', 'paused', 'lost', 'stopping'] });
  return open.filter((s) => !inUse.has(s.id));
}

function freeAgents(parts: Parts): void {
  const working = parts.store.read.agents.list({ state: 'working' });
  parts.store.commit((tx) => {
    for (const agent of working) {
      const attempt = agent.attemptId ? tx.attempts.get(agent.attemptId) : null;
      if (attempt && attempt.endedAt === null) continue;
      tx.agents.move(
        agent.id,
        'working',
        'idle',
        { taskId: null, attemptId: null, sessionId: agent.standing?.sessionId ?? null },
        { actor: 'gantry', cause: 'its attempt is over' },
      );
    }
  });
}
