import { type MaybeRefOrGetter, onUnmounted, type ShallowRef, shallowRef, toValue, watch } from 'vue';
import type { Attempt } from '../../src/contract/attempt.ts';
import type { Fact } from '../../src/contract/fact.ts';
import type { SessionId } from '../../src/contract/ids.ts';
import type { TranscriptItem } from '../../src/contract/session.ts';
import { mailText, transcriptItem } from '../../src/contract/transcript.ts';
import { type Store, textOf } from './store.ts';

export type Conversation = {
  readonly items: ShallowRef<readonly TranscriptItem[]>;
  readonly problem: ShallowRef<string | null>;
  readonly isLoading: ShallowRef<boolean>;
};

/** The conversation of a session: read once, then kept up by the facts of the session as they come. */
export function useConversation(store: Store, session: MaybeRefOrGetter<SessionId | null>): Conversation {
  const items = shallowRef<readonly TranscriptItem[]>([]);
  const problem = shallowRef<string | null>(null);
  const isLoading = shallowRef(false);
  const byId = new Map<string, TranscriptItem>();

  const promptText = (id: string): string => {
    const isOwn = ({ sessionId }: Attempt): boolean => sessionId === toValue(session);
    const prompts = [...store.table('attempts').values()].filter(isOwn).flatMap((attempt) => attempt.prompts);
    const own = prompts.find((prompt) => prompt.id === id);
    // What an agent that stands by is told are messages.
    return own?.text ?? mailText([...store.table('messages').values()], id);
  };
  const take = (facts: readonly Fact[]): void => {
    const own = facts.filter(({ sessionId }) => sessionId === toValue(session));
    const fresh = own.flatMap((fact) => transcriptItem(fact, promptText) ?? []);
    if (fresh.length === 0) return;
    for (const item of fresh) byId.set(item.id, merged(byId.get(item.id), item));
    items.value = [...byId.values()];
  };
  async function load(id: SessionId): Promise<void> {
    isLoading.value = true;
    problem.value = null;
    try {
      const { items: read } = await store.client.call('sessions.transcript', { id });
      if (toValue(session) !== id) return;
      // What came by the stream meanwhile is newer than what was read.
      const newer = [...byId.values()];
      byId.clear();
      for (const item of [...read, ...newer]) byId.set(item.id, item);
      items.value = [...byId.values()];
    } catch (error) {
      problem.value = textOf(error);
    } finally {
      isLoading.value = false;
    }
  }
  const stop = store.onFacts(take);
  onUnmounted(stop);
  watch(
    () => [toValue(session), store.link.value.state === 'live'] as const,
    ([id, isLive], before) => {
      if (id !== before?.[0]) {
        byId.clear();
        items.value = [];
      }
      if (id !== null && isLive) void load(id);
    },
    { immediate: true },
  );
  return { items, problem, isLoading };
}

/** A tool's end brings its output, and only a title of what its start was given. */
function merged(before: TranscriptItem | undefined, item: TranscriptItem): TranscriptItem {
  return before?.type === 'tool' && item.type === 'tool' ? { ...item, input: before.input } : item;
}
