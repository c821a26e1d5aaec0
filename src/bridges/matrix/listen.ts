import { once } from 'node:events';
import { z } from 'zod';
import type { Log } from '../../base/log.ts';
import { pause } from '../../base/wait.ts';
import type { Approval, Decision } from '../../contract/approval.ts';
import { toAppError } from '../../contract/errors.ts';
import type { MatrixSettings } from '../../contract/matrix.ts';
import type { Task } from '../../contract/task.ts';
import type { Entry, Hearing } from '../projection.ts';
import { type MatrixClient, MatrixError, type RoomEvent, type Synced, waitAfter } from './client.ts';
import { type Command, HELP, readCommand } from './command.ts';
import type { Places } from './places.ts';
import { cut, stateWord, statusAnswer } from './words.ts';

/** What a command does. The answers are words for the one who wrote it; a refusal is an AppError. */
export type MatrixActs = {
  readonly control: (
    verb: 'cancel' | 'pause' | 'resume',
    task: Task,
    reason: string,
    sender: string,
  ) => Promise<string>;
  readonly say: (task: Task, text: string, sender: string) => string;
  readonly decide: (id: string, decision: Decision, sender: string) => string;
  /** An answer to a question as the decision that it is: one line for each question. */
  readonly answer: (id: string, text: string, sender: string) => string;
  /** Records what was not carried out. */
  readonly refused: (task: Task | null, what: string, sender: string) => void;
};

/** What listening needs of Gantry. */
export type Listener = {
  readonly now: () => number;
  readonly log: Log;
  /** Resolves when commands can be carried out. */
  readonly ready: Promise<void>;
  readonly task: (id: string) => Task | null;
  /** Its whole request is. */
  readonly isPaused: (task: Task) => boolean;
  /** By the id of a task, of a request of one task, or of a delegation. */
  readonly named: (id: string) => Task | null;
  readonly live: () => readonly Task[];
  readonly pending: (task: Task) => readonly Approval[];
  readonly acts: MatrixActs;
};

type Parts = {
  readonly client: MatrixClient;
  readonly connect: (signal: AbortSignal) => Promise<void>;
  readonly settings: MatrixSettings;
  readonly world: Listener;
  readonly places: Places;
};

/** Where reading goes on, and what of the answer after it was handled already: an event is handled once, over kills too. */
const Position = z.object({
  since: z.string().nullable(),
  handled: z.array(z.string()),
  /** It was being carried out: whether it was is not known after a kill. */
  begun: z.string().nullable(),
});
type Position = z.infer<typeof Position>;

const COMMAND_AGE_MS = 600_000;
const MAX_BACK_OFF_MS = 60_000;
const MAX_LISTED = 20;
/** An answer that cannot be given for so long is dropped. */
const USE_BY_MS = 3_600_000;
const START: Position = { since: null, handled: [], begun: null };

/** Reads rooms until the signal aborts. What was written before the first reading is never carried out. */
export async function listen(parts: Parts, hearing: Hearing): Promise<void> {
  const { client, connect, world } = parts;
  const { signal } = hearing;
  await Promise.race([world.ready, once(signal, 'abort')]);
  const rooms = new RoomReader(parts, hearing);
  let failures = 0;
  while (!signal.aborted) {
    try {
      await connect(signal);
      await rooms.read(await client.sync(rooms.since, signal));
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      // A server that has lost its memory knows no position: reading begins anew.
      if (error instanceof MatrixError && error.status === 400 && rooms.since !== null) rooms.forget();
      if (failures === 0) world.log.warn({ err: error }, 'Matrix is not heard');
      const backOffMs = Math.min(MAX_BACK_OFF_MS, 1_000 * 2 ** Math.min(failures, 10));
      failures += 1;
      await pause(Math.max(backOffMs, waitAfter(error) ?? MAX_BACK_OFF_MS), signal);
    }
  }
}

class RoomReader {
  readonly #parts: Parts;
  readonly #hearing: Hearing;
  #position: Position;

  constructor(parts: Parts, hearing: Hearing) {
    this.#parts = parts;
    this.#hearing = hearing;
    const known = hearing.memory();
    this.#position = known === null ? START : Position.parse(JSON.parse(known));
  }

  get since(): string | null {
    return this.#position.since;
  }

  forget(): void {
    this.#keep(START);
  }

  async read({ next_batch: next, rooms }: Synced): Promise<void> {
    if (this.since !== null) {
      for (const [room, { timeline }] of Object.entries(rooms.join)) await this.#room(room, timeline, this.since);
    }
    this.#keep({ since: next, handled: [], begun: null });
  }

  async #room(room: string, timeline: Synced['rooms']['join'][string]['timeline'], since: string): Promise<void> {
    const { client, places, settings } = this.#parts;
    if (room !== settings.room && places.find(room, null) === null) return;
    if (timeline.limited && timeline.prev_batch !== undefined) {
      const { events, isCut } = await client.gap(room, timeline.prev_batch, since, this.#hearing.signal);
      for (const event of events) await this.#event(room, event);
      const first = timeline.events[0];
      if (isCut && first !== undefined) {
        const text = 'More was written here while Gantry was away than it reads: the oldest was not looked at.';
        this.#keep(this.#position, [this.#reply({ room, root: null, event: first.event_id, lane: room }, text, 'gap')]);
      }
    }
    for (const event of timeline.events) await this.#event(room, event);
  }

  /** Carries out what an event says, once, and answers. */
  async #event(room: string, event: RoomEvent): Promise<void> {
    const { event_id: id, sender } = event;
    const { settings, world, places } = this.#parts;
    if (sender === settings.user || this.#position.handled.includes(id)) return;
    const heard = heardIn(event);
    if (heard === null) return;
    const root = settings.room === room ? heard.thread : null;
    const isOpen = settings.room === room && root === null;
    const taskId = isOpen ? null : places.find(room, root);
    const task = taskId === null ? null : world.task(taskId);
    const command = heard.body === null ? null : readCommand(heard.body);
    // People may talk with each other where no task is meant.
    if (task === null && (command === null || command.type === 'text')) return;
    const answer = await this.#answer(command, task, event);
    const handled = { ...this.#position, handled: [...this.#position.handled, id], begun: null };
    this.#keep(handled, answer === null ? [] : [this.#reply({ room, root, event: id, lane: taskId ?? room }, answer)]);
  }

  async #answer(command: Command | null, task: Task | null, event: RoomEvent): Promise<string | null> {
    const { event_id: id, sender } = event;
    const { settings, world } = this.#parts;
    const { refused } = world.acts;
    const words = command === null ? 'an encrypted message' : wordsOf(event);
    if (!settings.senders.includes(sender)) {
      refused(task, `not one of the allowed senders: ${words}`, sender);
      const isCommand = command !== null && command.type !== 'text';
      return isCommand ? `${sender} may not command Gantry: it was not carried out.` : null;
    }
    if (command === null) {
      return 'Gantry does not read encrypted messages: nothing was carried out. Turn encryption off for this room.';
    }
    if (this.#position.begun === id) {
      refused(task, `Gantry was ended while it carried this out: ${words}`, sender);
      return 'Gantry was ended while it carried this out; /status says what became of it.';
    }
    const ageMs = event.unsigned?.age ?? world.now() - event.origin_server_ts;
    const limitMs = settings.commandAge ?? COMMAND_AGE_MS;
    if (ageMs > limitMs) {
      refused(task, `${Math.round(ageMs / 1_000)} s old: ${words}`, sender);
      return `This came ${lengthOf(ageMs)} late and was not carried out (limit ${lengthOf(limitMs)}). Send it again if it still holds.`;
    }
    this.#keep({ ...this.#position, begun: id });
    return await carryOut(command, task, sender, world);
  }

  #reply(
    to: { readonly room: string; readonly root: string | null; readonly event: string; readonly lane: string },
    text: string,
    kind = 'reply',
  ): Entry {
    const { lane, ...place } = to;
    const key = `${kind}.${to.event}`;
    const expiresAt = this.#parts.world.now() + USE_BY_MS;
    return { key, lane, payload: { step: 'reply', key, ...place, text }, expiresAt };
  }

  #keep(position: Position, entries: readonly Entry[] = []): void {
    this.#hearing.keep(JSON.stringify(position), entries);
    this.#position = position;
  }
}

async function carryOut(command: Command, here: Task | null, sender: string, world: Listener): Promise<string> {
  try {
    return await did(command, here, sender, world);
  } catch (error) {
    // An answer like any other: a refusal by the engine, or a mistake that must not keep the next command away.
    const { code, message } = toAppError(error);
    return `It was not carried out: ${message} (${code})`;
  }
}

async function did(command: Command, here: Task | null, sender: string, world: Listener): Promise<string> {
  const { acts } = world;
  switch (command.type) {
    case 'text':
      return here === null ? HELP : acts.say(here, command.text, sender);
    case 'approve':
      return acts.decide(command.id, { type: 'allow', scope: command.scope, expiresAt: null }, sender);
    case 'deny':
      return acts.decide(command.id, { type: 'deny', reason: command.words }, sender);
    case 'answer':
      return acts.answer(command.id, command.words, sender);
    case 'help':
      return command.problem === null ? HELP : `${command.problem}\n${HELP}`;
    case 'status':
    case 'cancel':
    case 'pause':
    case 'resume':
      return await aboutTask(command, here, sender, world);
    default:
      return command satisfies never;
  }
}

async function aboutTask(
  { type, target, words }: Extract<Command, { target: unknown }>,
  here: Task | null,
  sender: string,
  { acts, live: listLive, named, pending, isPaused }: Listener,
): Promise<string> {
  const live = listLive();
  if (type === 'status' && target === null && here === null) return listOf(live, isPaused);
  const only = here ?? (live.length === 1 ? live[0] : null);
  const task = target === null ? only : named(target);
  if (!task) return `Which task? /${type} takes the id of one.\n${listOf(live, isPaused)}`;
  if (type === 'status') return statusAnswer(task, isPaused(task), pending(task));
  return await acts.control(type, task, words, sender);
}

function listOf(tasks: readonly Task[], isPaused: Listener['isPaused']): string {
  if (tasks.length === 0) return 'No task is under way.';
  const lines = tasks
    .slice(0, MAX_LISTED)
    .map((task) => `${task.id} · ${stateWord(task, isPaused(task))} · ${cut(task.title, 100)}`);
  const more = tasks.length > MAX_LISTED ? [`and ${tasks.length - MAX_LISTED} more`] : [];
  return [...lines, ...more].join('\n');
}

const Relation = z.object({ rel_type: z.string().optional(), event_id: z.string().optional() });
const Message = z.object({ msgtype: z.string(), body: z.string(), 'm.relates_to': Relation.optional() });
const Verb = z.enum(['cancel', 'pause', 'resume']);
/** A command of a program; older ones say `control_signal`. */
const Control = z.object({
  'io.letta.task': z.object({
    control: Verb.optional(),
    control_signal: Verb.optional(),
    task_id: z.string().regex(/^\S+$/).optional(),
    reason: z.string().optional(),
  }),
});

/** What a person wrote, and in which thread; `body` is null if it is encrypted. A changed message is not written twice. */
function heardIn({
  type,
  content,
}: RoomEvent): { readonly body: string | null; readonly thread: string | null } | null {
  if (type === 'm.room.encrypted') {
    const relation = z.object({ 'm.relates_to': Relation }).safeParse(content).data?.['m.relates_to'];
    return { body: null, thread: threadOf(relation) };
  }
  const { data } = Message.safeParse(content);
  const body =
    data?.msgtype === 'io.letta.control' ? controlIn(content) : data?.msgtype === 'm.text' ? data.body : null;
  if (type !== 'm.room.message' || body === null) return null;
  const relation = data?.['m.relates_to'];
  return relation?.rel_type === 'm.replace' ? null : { body, thread: threadOf(relation) };
}

/** As a person would write it. */
function controlIn(content: RoomEvent['content']): string | null {
  const {
    control,
    control_signal: older,
    task_id: id,
    reason,
  } = Control.safeParse(content).data?.['io.letta.task'] ?? {};
  const verb = control ?? older;
  return verb === undefined ? null : [`/${verb}`, id, reason].filter((word) => word !== undefined).join(' ');
}

const threadOf = (relation: z.infer<typeof Relation> | undefined): string | null =>
  relation?.rel_type === 'm.thread' ? (relation.event_id ?? null) : null;

const wordsOf = ({ content }: RoomEvent): string => cut(String(content.body), 200);

function lengthOf(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
