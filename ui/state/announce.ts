import { watch } from 'vue';
import type { Approval } from '../../src/contract/approval.ts';
import type { Message } from '../../src/contract/message.ts';
import { isUnread } from './mail.ts';
import type { Store } from './store.ts';

const SPOKEN_LIMIT = 120;

/** Something that waits for the person, in a sentence, and the page that it is on. */
type Waiting = { readonly id: string; readonly text: string; readonly page: 'fleet' | 'messages' };

/** Tells the person, by the system and by voice where they want it, when something new waits for them. */
export function announceWaiting(store: Store): void {
  let known: ReadonlySet<string> | null = null;
  watch(
    (): Waiting[] => [
      ...[...store.table('approvals').values()]
        .filter(({ state }) => state === 'pending')
        .map((approval) => ({ id: approval.id, text: sentenceOf(approval), page: 'fleet' as const })),
      ...[...store.table('messages').values()]
        .filter((message) => isUnread(message) && message.kind !== 'notice')
        .map((message) => ({ id: message.id, text: mailSentence(message), page: 'messages' as const })),
    ],
    (pending) => {
      // What waited when the page was opened is in the inbox; only what comes is announced.
      const isFirst = known === null || store.link.value.state !== 'live';
      const fresh = isFirst ? [] : pending.filter(({ id }) => !known?.has(id));
      known = new Set(pending.map(({ id }) => id));
      if (fresh.length > 0) announce(store, fresh);
    },
  );
}

function announce({ settings, router }: Store, fresh: readonly Waiting[]): void {
  const [first] = fresh;
  if (first === undefined) return;
  const text = fresh.length === 1 ? first.text : `${fresh.length} questions and messages wait for you.`;
  const { hasNotifications, hasSpeech } = settings.kept.value;
  if (hasNotifications && 'Notification' in window && Notification.permission === 'granted') {
    const shown = new Notification('Gantry', { body: text, tag: 'gantry-waiting' });
    shown.addEventListener('click', () => {
      window.focus();
      router.go(first.page);
    });
  }
  if (hasSpeech && 'speechSynthesis' in window) speechSynthesis.speak(new SpeechSynthesisUtterance(text));
}

const mailSentence = ({ from, subject, text }: Message): string =>
  `${from.split('/').slice(1).join(' ') || from} writes: ${subject ?? text}`.slice(0, SPOKEN_LIMIT);

function sentenceOf({ subject, agent, backend }: Approval): string {
  const who = agent?.split('/').slice(1).join(' ') ?? backend;
  if (subject.type === 'question') return `${who} asks: ${subject.questions[0]?.question ?? ''}`.slice(0, SPOKEN_LIMIT);
  const { tool, command, patterns } = subject.call;
  return `${who} wants to use ${tool}: ${command ?? patterns.join(' ')}`.slice(0, SPOKEN_LIMIT);
}
