import { z } from 'zod';
import { redact } from '../../base/redact.ts';
import type { Approval } from '../../contract/approval.ts';
import type { Fact, FactKind } from '../../contract/fact.ts';
import { ApprovalId, type RequestId, TaskId } from '../../contract/ids.ts';
import { type MatrixPlace, type MatrixSettings, matrixKey } from '../../contract/matrix.ts';
import { isTaskOver, type Task } from '../../contract/task.ts';
import type { Entry, Item, Projection } from '../projection.ts';
import { failed, type MatrixClient, MatrixError, matrixClient } from './client.ts';
import { type Listener, listen } from './listen.ts';
import { type Memory, placesIn } from './places.ts';
import { askWords, cut, endWords, statusWords } from './words.ts';

/** What the bridge sees of Gantry. */
export type MatrixWorld = Listener & {
  readonly memory: Memory;
  readonly approval: (id: string) => Approval | null;
  readonly tasksOf: (id: RequestId) => readonly Task[];
  /** Further people and programs that the one who handed the task over wants there. */
  readonly observersOf: (task: Task) => readonly string[];
  /** Of this home: rooms and messages must not be those of another. */
  readonly homeId: string;
};

const Payload = z.discriminatedUnion('step', [
  z.object({ step: z.literal('status'), taskId: TaskId, seq: z.number(), activity: z.string().nullable() }),
  z.object({ step: z.literal('ask'), taskId: TaskId, seq: z.number(), approvalId: ApprovalId }),
  z.object({ step: z.literal('end'), taskId: TaskId, seq: z.number() }),
  /** An answer to what somebody wrote: `event` is theirs, `root` the thread that it was in. */
  z.object({
    ...{ step: z.literal('reply'), key: z.string(), room: z.string(), root: z.string().nullable() },
    ...{ event: z.string(), text: z.string() },
  }),
]);
type Payload = z.infer<typeof Payload>;
type PayloadOf<S extends Payload['step']> = Extract<Payload, { step: S }>;

const KINDS = [
  'task.changed',
  'request.changed',
  'approval.changed',
  'text',
  'tool.ended',
] as const satisfies readonly FactKind[];
const UPDATE_EVERY_MS = 5_000;
const USE_BY_MS = 86_400_000;
const MAX_ACTIVITY = 300;
const MAX_NAME = 100;
const MAX_TOPIC = 400;

/**
 * Every task in a room of its own, or in a thread of the room that all share: one message that is changed as the task goes
 * on, one for each question, one for its end. What is written there comes back as commands (`listen`).
 */
export function matrix(settings: MatrixSettings, token: string | null, world: MatrixWorld): Projection {
  const { url, user, updateEvery = UPDATE_EVERY_MS } = settings;
  const client = matrixClient({ url, token: token ?? '', now: world.now });
  const connect = connection(client, settings);
  const steps = matrixSteps(client, settings, world);
  return {
    name: 'matrix',
    target: `${new URL(url).origin} as ${user}`,
    problem: token === null ? tokenProblem(settings) : null,
    kinds: KINDS,
    project: (fact, waiting) => {
      if (fact.kind !== 'request.changed') return entriesOf(fact, waiting, updateEvery);
      const { from, to, row } = fact.data;
      if (from === to || (from !== 'paused' && to !== 'paused')) return [];
      const shown = world.tasksOf(row.id).filter(({ state }) => state !== 'blocked' && !isTaskOver(state));
      return shown.flatMap(({ id }) => entriesOf({ ...fact, taskId: id }, waiting, updateEvery));
    },
    deliver: async (item, signal) => {
      try {
        await connect(signal);
      } catch (error) {
        return failed(error, 'account');
      }
      try {
        await steps(Payload.parse(item.payload), signal);
        return { type: 'done' };
      } catch (error) {
        return failed(error, 'room');
      }
    },
    probe: async (signal) => {
      await checkAccount(client, user, signal);
      return `${user} on ${new URL(url).origin}`;
    },
    listen: async (hearing) => {
      await listen({ client, connect, settings, world, places: placesIn(world.memory) }, hearing);
    },
  };
}

const tokenProblem = ({ token, tokenFile }: MatrixSettings): string =>
  token === undefined
    ? `${tokenFile} must hold the access token, and only its owner may read it`
    : `the daemon was started without the variable ${token}, which holds the access token`;

/** Checks once whose token it is, and goes into the shared room. @throws MatrixError */
function connection(client: MatrixClient, { user, room }: MatrixSettings): (signal: AbortSignal) => Promise<void> {
  let isChecked = false;
  return async (signal) => {
    if (isChecked) return;
    await checkAccount(client, user, signal);
    if (room !== undefined) await client.join(room, signal);
    isChecked = true;
  };
}

async function checkAccount(client: MatrixClient, user: string, signal: AbortSignal): Promise<void> {
  const account = await client.whoami(signal);
  if (account !== user) throw new MatrixError(403, 'M_FORBIDDEN', `the token is of ${account}, not ${user}`);
}

function entriesOf(fact: Fact, waiting: (key: string) => Item | null, updateEveryMs: number): readonly Entry[] {
  const { taskId, seq } = fact;
  if (taskId === null) return [];
  const entry = (key: string, payload: Payload, notBefore = fact.at): Entry => ({
    ...{ key: matrixKey(key, taskId), lane: taskId, payload, notBefore },
    expiresAt: notBefore + USE_BY_MS,
  });
  const status = (activity: string | null, delayMs: number): Entry => {
    const before = waiting(matrixKey('status', taskId));
    // What waits is not put off by what comes after it.
    const notBefore = delayMs === 0 || before === null ? fact.at + delayMs : before.notBefore;
    return entry('status', { step: 'status', taskId, seq, activity }, notBefore);
  };
  switch (fact.kind) {
    case 'task.changed': {
      const { from, row } = fact.data;
      // A task that waits for others has nothing to tell yet.
      if (row.state === 'blocked') return from === null ? [] : [status(null, updateEveryMs)];
      if (from === row.state || !isTaskOver(row.state)) return [status(null, from === null ? 0 : updateEveryMs)];
      return [status(null, 0), entry('end', { step: 'end', taskId, seq })];
    }
    case 'request.changed':
      return [status(null, updateEveryMs)];
    case 'approval.changed': {
      const { id } = fact.data.row;
      return [entry(`ask.${id}`, { step: 'ask', taskId, seq, approvalId: id })];
    }
    case 'text':
      return [status(cut(fact.data.text, MAX_ACTIVITY), updateEveryMs)];
    case 'tool.ended':
      return [status(cut(`${fact.data.tool}: ${fact.data.title} (${fact.data.status})`, MAX_ACTIVITY), updateEveryMs)];
    default:
      return [];
  }
}

type Shown = MatrixPlace & { readonly root: string };
type Content = Readonly<Record<string, unknown>>;

/** Plain text only: nothing of what an agent says is markup. Nobody is called by what stands in it, only by `mentioned`. */
function message(text: string, kind: 'm.text' | 'm.notice', mentioned: readonly string[] = []): Content {
  return { msgtype: kind, body: redact(text), 'm.mentions': { user_ids: mentioned } };
}

const changed = (event: string, content: Content): Content => ({
  ...{ ...content, body: `* ${String(content.body)}`, 'm.mentions': {} },
  ...{ 'm.new_content': content, 'm.relates_to': { rel_type: 'm.replace', event_id: event } },
});

const inThread = (root: string | null, content: Content, answered = root): Content => {
  if (answered === null) return content;
  const reply = { 'm.in_reply_to': { event_id: answered } };
  const thread = root === null ? {} : { rel_type: 'm.thread', event_id: root, is_falling_back: answered === root };
  return { ...content, 'm.relates_to': { ...thread, ...reply } };
};

function matrixSteps(client: MatrixClient, settings: MatrixSettings, world: MatrixWorld) {
  const { user, room: shared, senders } = settings;
  const places = placesIn(world.memory);
  const txn = (...parts: readonly (string | number)[]): string => [world.homeId, ...parts].join('.');
  const invite = async (room: string, task: Task, signal: AbortSignal): Promise<void> => {
    const more = world.observersOf(task).filter((one) => one.startsWith('@'));
    for (const guest of new Set([...senders, ...(settings.observers ?? []), ...more])) {
      try {
        await client.invite(room, guest, signal);
      } catch (error) {
        // Who is there already, or cannot be invited, does not keep the others out.
        if (!(error instanceof MatrixError) || error.status === 429 || error.status >= 500) throw error;
        world.log.warn({ room, guest, err: error }, 'somebody was not invited');
      }
    }
  };
  const roomOf = async (task: Task, signal: AbortSignal): Promise<string> => {
    if (shared !== undefined) return shared;
    const server = user.slice(user.indexOf(':') + 1);
    const alias = `gantry_${world.homeId}_${task.id}`;
    const topic = cut(redact(task.description), MAX_TOPIC);
    const room = await client.room({ alias, server, name: cut(redact(task.title), MAX_NAME), topic }, signal);
    await invite(room, task, signal);
    return room;
  };
  /** Where a task is shown, and the message about it; made if they are not there yet, never twice. */
  const placeOf = async (task: Task, signal: AbortSignal): Promise<Shown> => {
    const known = places.get(task.id) ?? { room: await roomOf(task, signal), root: null, asks: {}, endSeq: 0 };
    if (known.root !== null) return { ...known, root: known.root };
    // What is written in a room is for its task before the room has said anything.
    places.put(task.id, known);
    const content = message(statusWords(task, world.isPaused(task), null), 'm.notice');
    const place = { ...known, root: await client.send(known.room, txn('root', task.id), content, signal) };
    places.put(task.id, place);
    return place;
  };
  const threadOf = ({ root }: Shown): string | null => (shared === undefined ? null : root);

  const status = async (task: Task, { seq, activity }: PayloadOf<'status'>, signal: AbortSignal): Promise<void> => {
    const isNew = (places.get(task.id)?.root ?? null) === null;
    const { room, root } = await placeOf(task, signal);
    if (isNew) return;
    const content = changed(root, message(statusWords(task, world.isPaused(task), activity), 'm.notice'));
    await client.send(room, txn('status', task.id, seq), content, signal);
  };
  const ask = async (task: Task, { seq, approvalId }: PayloadOf<'ask'>, signal: AbortSignal): Promise<void> => {
    const approval = world.approval(approvalId);
    if (approval === null) return;
    const told = places.get(task.id)?.asks[approvalId];
    // It was answered before anybody could be asked.
    if (told === undefined && approval.state !== 'pending') return;
    const place = await placeOf(task, signal);
    const text = askWords(approval);
    if (told !== undefined) {
      const content = changed(told, message(text, 'm.text'));
      await client.send(place.room, txn('asked', approvalId, seq), content, signal);
      return;
    }
    const content = inThread(threadOf(place), message(text, 'm.text', senders));
    const event = await client.send(place.room, txn('ask', approvalId), content, signal);
    places.put(task.id, { ...place, asks: { ...place.asks, [approvalId]: event } });
  };
  const end = async (task: Task, { seq }: PayloadOf<'end'>, signal: AbortSignal): Promise<void> => {
    const place = await placeOf(task, signal);
    if (seq <= place.endSeq || !isTaskOver(task.state)) return;
    const content = inThread(threadOf(place), message(endWords(task), 'm.text'));
    await client.send(place.room, txn('end', task.id, seq), content, signal);
    places.put(task.id, { ...place, endSeq: seq });
  };

  return async (payload: Payload, signal: AbortSignal): Promise<void> => {
    if (payload.step === 'reply') {
      const { key, room, root, event, text } = payload;
      await client.send(room, txn(key), inThread(root, message(text, 'm.notice'), event), signal);
      return;
    }
    const task = world.task(payload.taskId);
    if (task === null) return;
    switch (payload.step) {
      case 'status':
        return status(task, payload, signal);
      case 'ask':
        return ask(task, payload, signal);
      case 'end':
        return end(task, payload, signal);
      default:
        payload satisfies never;
    }
  };
}
