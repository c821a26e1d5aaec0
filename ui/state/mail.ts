import { computed, type MaybeRefOrGetter, type Ref, type ShallowRef, shallowRef, toValue, watch } from 'vue';
import type { Agent } from '../../src/contract/agent.ts';
import type { Message, MessageMode } from '../../src/contract/message.ts';
import { budgetAlert, holdOf } from '../../src/contract/message-hold.ts';
import { type Store, textOf } from './store.ts';

/** The person has not read it. A notice tells what became of their own message. */
export const isUnread = ({ to, state, archivedAt }: Message): boolean =>
  to === 'person' && state === 'delivered' && archivedAt === null;

/** Why a message waits, by the rows as they are now. */
export function heldFor(store: Store, message: Message): string | null {
  const agent = store.table('agents').get(message.to);
  if (message.state !== 'queued' || agent === undefined) return null;
  const { sessionId } = agent;
  const approvals = [...store.table('approvals').values()];
  const asked = approvals.find((one) => one.state === 'pending' && sessionId !== null && one.sessionId === sessionId);
  const task = store.table('tasks').get(agent.taskId ?? '');
  return holdOf(message, {
    agent,
    request: store.table('requests').get(task?.requestId ?? '') ?? null,
    session: store.table('sessions').get(sessionId ?? '') ?? null,
    asked: asked ?? null,
    budget: store.table('alerts').get(budgetAlert(agent.id)) ?? null,
  });
}

/** The person's inbox, or that of an agent. */
export type Mailbox = {
  readonly address: string;
  readonly name: string;
  /** Not read by the person, or not yet given to the agent. */
  readonly waiting: number;
};

/** The person's first, then those with messages that wait, then by name. */
export function mailboxesOf(agents: Iterable<Agent>, messages: Iterable<Message>): Mailbox[] {
  const waiting = new Map<string, number>();
  for (const message of messages) {
    if (message.state === 'queued' || isUnread(message)) waiting.set(message.to, (waiting.get(message.to) ?? 0) + 1);
  }
  const boxOf = (address: string, name: string): Mailbox => ({ address, name, waiting: waiting.get(address) ?? 0 });
  const boxes = [...agents].map(({ id }) => boxOf(id, id));
  boxes.sort((a, b) => Number(b.waiting > 0) - Number(a.waiting > 0) || a.name.localeCompare(b.name));
  return [boxOf('person', 'You'), ...boxes];
}

/** Messages that answer each other, oldest first. */
export type Thread = { readonly id: string; readonly messages: readonly Message[]; readonly last: Message };

/** Newest thread first. */
export function threadsOf(messages: Iterable<Message>): Thread[] {
  const threads = [...Map.groupBy(messages, ({ thread }) => thread)].flatMap(([id, own]): Thread[] => {
    const ordered = own.toSorted((a, b) => a.createdAt - b.createdAt || a.id.localeCompare(b.id));
    const last = ordered.at(-1);
    return last === undefined ? [] : [{ id, messages: ordered, last }];
  });
  return threads.sort((a, b) => b.last.createdAt - a.last.createdAt || b.id.localeCompare(a.id));
}

const MOST = 500;

/** What went to and from an address: read once, then kept up by what comes. */
export function useMailbox(
  store: Store,
  address: MaybeRefOrGetter<string>,
  all: MaybeRefOrGetter<boolean>,
): { readonly threads: Ref<readonly Thread[]>; readonly problem: ShallowRef<string | null> } {
  const read = shallowRef<readonly Message[]>([]);
  const problem = shallowRef<string | null>(null);
  watch(
    [() => toValue(address), store.generation],
    async ([agent]) => {
      read.value = [];
      try {
        const { items } = await store.client.call('messages.list', { agent, all: 'true', limit: MOST });
        if (agent !== toValue(address)) return;
        read.value = items;
        problem.value = null;
      } catch (error) {
        if (agent === toValue(address)) problem.value = textOf(error);
      }
    },
    { immediate: true },
  );
  const threads = computed(() => {
    const own = toValue(address);
    const known = new Map(read.value.map((message) => [message.id, message]));
    for (const message of store.table('messages').values()) {
      if (message.to === own || message.from === own) known.set(message.id, message);
    }
    const shown = threadsOf(known.values());
    return toValue(all)
      ? shown
      : shown.filter(({ messages }) => messages.some(({ archivedAt }) => archivedAt === null));
  });
  return { threads, problem };
}

export const MODE_WORDS: Readonly<Record<MessageMode, string>> = {
  'next-turn': 'at its next turn',
  steer: 'into this turn',
  interrupt: 'now, interrupting',
};
