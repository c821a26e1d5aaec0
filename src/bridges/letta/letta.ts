import type { Letta } from '@letta-ai/letta-client';
import { z } from 'zod';
import { handleOf } from '../../contract/delegation.ts';
import { AppError } from '../../contract/errors.ts';
import type { Fact, FactKind } from '../../contract/fact.ts';
import { type RequestId, TaskId } from '../../contract/ids.ts';
import { type LettaSettings, lettaBlockLabel, lettaWriteKey } from '../../contract/letta.ts';
import type { Request } from '../../contract/request.ts';
import { isTaskOver, type Task } from '../../contract/task.ts';
import { retryAfter } from '../post.ts';
import type { Delivery, Entry, Facts, Item, Projection } from '../projection.ts';
import { blockValue, type Shown, smallestBlock } from './block.ts';
import { noticeText } from './notice.ts';

export type LettaWorld = {
  readonly journal: Facts;
  readonly task: (id: string) => Task | null;
  /** The task that a block names: by its own id, or by the one that it was handed over with. */
  readonly shown: (name: string) => Task | null;
  readonly request: (id: RequestId) => Request | null;
  readonly tasksOf: (id: RequestId) => readonly Task[];
  /** The Matrix room that shows a task too; null if none does. */
  readonly room: (task: TaskId) => string | null;
  /** Keeps the id of the block that shows a task, or that there is none any more. */
  readonly remember: (task: TaskId, block: string | null) => void;
  readonly now: () => number;
};

const Payload = z.object({ step: z.enum(['write', 'notice', 'detach', 'delete']), taskId: TaskId });
type Payload = z.infer<typeof Payload>;

const OF_TASK = ['task.changed', 'approval.changed', 'check.ran'] as const satisfies readonly FactKind[];
/** A pause is of the whole request. */
const OF_REQUEST = ['request.changed'] as const satisfies readonly FactKind[];
/** At most one write per block in this time; the last one of a task is not delayed. */
const WRITE_EVERY_MS = 1_000;
const USE_BY_MS = 86_400_000;
const DETACH_AFTER_MS = 60_000;
const DELETE_AFTER_MS = 86_400_000;
/** A key that is refused is looked at again after this time. */
const REFUSED_KEY_MS = 300_000;
/** A run that is older does not keep a notice back. */
const LONGEST_RUN_MS = 300_000;
const PAGE = 500;
/** As Letta names its agents. */
const LETTA_AGENT = /^agent-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PREFIX = lettaBlockLabel('');
const DESCRIPTION =
  'Workspace of a coding task. Watch status, events (newest last), artifacts and updated_at; it is written by Gantry.';

/**
 * A memory block per task, attached to a Letta agent while the task lives, and a notice to that agent when it ends. The agent
 * is the one that handed the task over, else the one that is configured. Blocks are written whole from the journal. One call
 * at a time for an agent, and no notice while it is at work: Letta leaves open what messages at the same time do.
 */
export function letta(settings: LettaSettings, key: string | null, world: LettaWorld): Projection {
  const steps = lettaSteps(settings, key, world);
  const agentFor = (requestId: RequestId): string | null => {
    const caller = world.request(requestId)?.delegation?.callerId;
    return caller !== undefined && LETTA_AGENT.test(caller) ? caller : (settings.agent ?? null);
  };
  return {
    name: 'letta',
    target: new URL(settings.url).origin,
    problem:
      settings.key !== undefined && key === null
        ? `the daemon was started without the variable ${settings.key}, which holds the key`
        : null,
    kinds: [...OF_TASK, ...OF_REQUEST],
    project: (fact, waiting) => {
      const agent = fact.requestId === null ? null : agentFor(fact.requestId);
      if (agent === null) return [];
      if (fact.kind !== 'request.changed') return entriesOf(fact, fact.taskId, waiting, settings, agent);
      const { from, to, row } = fact.data;
      if (from === to || (from !== 'paused' && to !== 'paused')) return [];
      const live = world.tasksOf(row.id).filter(({ state }) => !isTaskOver(state));
      return live.flatMap(({ id }) => entriesOf(fact, id, waiting, settings, agent));
    },
    deliver: async (item) => {
      const payload = Payload.parse(item.payload);
      const task = world.task(payload.taskId);
      const agent = task === null ? null : agentFor(task.requestId);
      if (task === null || agent === null) return { type: 'done' };
      const request = world.request(task.requestId);
      // By the name that the agent knows, where it was handed over.
      const name = request?.delegation ? handleOf(task.requestId) : task.id;
      const isPaused = request?.state === 'paused';
      try {
        await steps[payload.step]({ task, isPaused, name, agent, roomId: world.room(task.id) });
        return { type: 'done' };
      } catch (error) {
        return await outcomeOf(error, world.now());
      }
    },
  };
}

function entriesOf(
  fact: Fact,
  taskId: TaskId | null,
  waiting: (key: string) => Item | null,
  settings: LettaSettings,
  agent: string,
): readonly Entry[] {
  if (taskId === null) return [];
  const isEnd =
    fact.kind === 'task.changed' && isTaskOver(fact.data.row.state) && fact.data.from !== fact.data.row.state;
  const entry = (step: Payload['step'], key: string, delayMs: number, lane: string): Entry => ({
    ...{ key, lane, payload: { step, taskId } },
    notBefore: fact.at + delayMs,
    expiresAt: fact.at + delayMs + USE_BY_MS,
  });
  const key = lettaWriteKey(taskId);
  const lane = `agent.${agent}`;
  const write = entry('write', key, isEnd ? 0 : WRITE_EVERY_MS, lane);
  const before = waiting(key);
  // What waits is not put off by what comes after it.
  const first = isEnd || before === null ? write : { ...write, notBefore: before.notBefore };
  if (!isEnd) return [first];
  const later = `after.${taskId}`;
  return [
    first,
    entry('notice', `notice.${taskId}.${fact.seq}`, 0, lane),
    entry('detach', `detach.${taskId}`, DETACH_AFTER_MS, later),
    ...(settings.retention === 'keep' ? [] : [entry('delete', `delete.${taskId}`, DELETE_AFTER_MS, later)]),
  ];
}

type Step = (shown: Shown) => Promise<void>;

function lettaSteps(settings: LettaSettings, key: string | null, world: LettaWorld): Record<Payload['step'], Step> {
  const { url, blockLimit = 50_000, maxEvents = 50, maxAttached = 5, noticeRole = 'system' } = settings;
  let opened: Promise<Letta> | null = null;
  /** Blocks that were seen to be attached. */
  const attached = new Set<string>();
  // The library is loaded when something is first delivered. Repeating is the outbox's business alone.
  const open = (): Promise<Letta> => {
    opened ??= import('@letta-ai/letta-client').then(
      (library) => new library.Letta({ apiKey: key ?? 'none', baseURL: url, maxRetries: 0, timeout: 15_000 }),
    );
    return opened;
  };
  const find = async (client: Letta, { name }: Shown): Promise<string | null> => {
    for await (const block of client.blocks.list({ label: lettaBlockLabel(name) })) return block.id;
    return null;
  };
  return {
    write: async (shown) => {
      const { task, name, agent } = shown;
      const client = await open();
      const facts = factsOf(task, world.journal);
      const value = blockValue(shown, facts, { maxLength: blockLimit, maxEvents });
      const smallest = smallestBlock(shown);
      const known = await find(client, shown);
      const body = { label: lettaBlockLabel(name), description: DESCRIPTION, limit: blockLimit };
      const tags = ['gantry', `gantry-task:${name}`];
      if (known !== null) world.remember(task.id, known);
      if (known !== null)
        await orLess(client.blocks.update(known, { value }), () => client.blocks.update(known, { value: smallest }));
      const id =
        known ??
        (
          await orLess(client.blocks.create({ ...body, value, tags, read_only: true }), () =>
            client.blocks.create({ ...body, value: smallest }),
          )
        ).id;
      if (known === null) world.remember(task.id, id);
      if (attached.has(id) || isTaskOver(task.state)) return;
      await attach(client, { id, agent, maxAttached }, world);
      attached.add(id);
    },
    notice: async ({ task, name, agent }) => {
      if (!isWanted(task, world.request(task.requestId)?.delegation ?? null)) return;
      const client = await open();
      const text = noticeText(task, name);
      // First: what was taken before is among the messages once no run is under way.
      await requireIdle(client, agent, world.now());
      // It may have been told already, by a delivery whose answer was lost.
      const latest = await client.agents.messages.list(agent, { order: 'desc', limit: 20 });
      if (JSON.stringify(latest.getPaginatedItems()).includes(JSON.stringify(text))) return;
      const content = [{ type: 'text' as const, text }];
      await client.agents.messages.createAsync(agent, { messages: [{ role: noticeRole, content }] });
    },
    detach: async (shown) => {
      const { task, agent } = shown;
      // It was tried again meanwhile: the block is in use.
      if (!isTaskOver(task.state)) return;
      const client = await open();
      const id = await find(client, shown);
      if (id === null) return;
      await orGone(client.agents.blocks.detach(id, { agent_id: agent }));
      attached.delete(id);
    },
    delete: async (shown) => {
      if (!isTaskOver(shown.task.state)) return;
      const client = await open();
      const id = await find(client, shown);
      if (id !== null) await orGone(client.blocks.delete(id));
      world.remember(shown.task.id, null);
    },
  };
}

/** Whether whoever handed the task over wants to be told of its end. */
function isWanted({ state }: Task, delegation: Request['delegation']): boolean {
  if (delegation === null) return true;
  switch (delegation.notify) {
    case 'always':
      return true;
    case 'never':
      return false;
    case 'failures':
      return state !== 'done';
    case 'async-only':
      return !delegation.isSync;
    default:
      return delegation.notify satisfies never;
  }
}

/** A server may refuse a value as too long, or a field that it does not know: then less is written. */
async function orLess<T>(first: Promise<T>, less: () => Promise<T>): Promise<T> {
  try {
    return await first;
  } catch (error) {
    const { APIError } = await import('@letta-ai/letta-client');
    if (!(error instanceof APIError) || (error.status !== 422 && error.status !== 400)) throw error;
    return await less();
  }
}

/**
 * A message that was taken is among the agent's messages only once its run has begun with it; and of two at once Letta leaves
 * open what they do. @throws AppError `conflict` while the agent is at work
 */
async function requireIdle(client: Letta, agent: string, now: number): Promise<void> {
  const runs = await client.runs.list({ agent_id: agent, active: true, limit: 20 });
  // What a killed server left behind is at work for ever.
  const isAtWork = runs.getPaginatedItems().some((run) => now - Date.parse(run.created_at ?? '') < LONGEST_RUN_MS);
  if (isAtWork) throw new AppError('conflict', 'the agent is at work: it is told when it has ended its turn');
}

/** What is not there any more, or was taken off before (Letta 0.16.8 answers 404 to both), is as it should be. */
async function orGone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    const { NotFoundError } = await import('@letta-ai/letta-client');
    if (!(error instanceof NotFoundError)) throw error;
  }
}

/** Attaches a block that is not yet; the oldest ones of tasks that are over make room for it. */
async function attach(
  client: Letta,
  { id, agent, maxAttached }: { readonly id: string; readonly agent: string; readonly maxAttached: number },
  world: LettaWorld,
): Promise<void> {
  const own: { readonly id: string; readonly task: Task | null }[] = [];
  for await (const block of client.agents.blocks.list(agent)) {
    if (block.id === id) return;
    if (block.label?.startsWith(PREFIX))
      own.push({ id: block.id, task: world.shown(block.label.slice(PREFIX.length)) });
  }
  const over = own
    .filter(({ task }) => task === null || isTaskOver(task.state))
    .sort((a, b) => (a.task?.endedAt ?? 0) - (b.task?.endedAt ?? 0));
  for (const old of over.slice(0, Math.max(0, own.length + 1 - maxAttached))) {
    await orGone(client.agents.blocks.detach(old.id, { agent_id: agent }));
  }
  await client.agents.blocks.attach(id, { agent_id: agent });
}

function factsOf({ id, requestId }: Task, journal: Facts): readonly Fact[] {
  const own = read(journal, { taskId: id, kinds: OF_TASK });
  return [...own, ...read(journal, { requestId, kinds: OF_REQUEST })].sort((a, b) => a.seq - b.seq);
}

function read(journal: Facts, which: Omit<Parameters<Facts['since']>[1], 'limit'>): readonly Fact[] {
  const facts: Fact[] = [];
  let cursor = 0;
  const head = journal.head();
  while (cursor < head) {
    const page = journal.since(cursor, { ...which, limit: PAGE });
    facts.push(...page.facts);
    if (page.next === cursor) break;
    cursor = page.next;
  }
  return facts;
}

/** Answers that say "not now"; the network too. An agent or a block that is not there will not come. */
async function outcomeOf(error: unknown, now: number): Promise<Delivery> {
  const { APIError } = await import('@letta-ai/letta-client');
  if (!(error instanceof APIError)) throw error;
  const { status, message } = error;
  const headers = error.headers instanceof Headers ? error.headers : null;
  const asked = retryAfter(headers?.get('retry-after') ?? undefined, now);
  if (status === 401 || status === 403) return { type: 'retry', error: message, afterMs: REFUSED_KEY_MS };
  const isLater = status === undefined || status === 408 || status === 409 || status === 429 || status >= 500;
  if (!isLater) return { type: 'refused', error: message };
  return { type: 'retry', error: message, ...(asked !== undefined && { afterMs: asked }) };
}
