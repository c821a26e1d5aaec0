import { watch } from 'vue';
import type { Approval } from '../../src/contract/approval.ts';
import type { Store } from './store.ts';

const SPOKEN_LIMIT = 120;

/** Tells the person, by the system and by voice where they want it, when something new waits for them. */
export function announceWaiting(store: Store): void {
  let known: ReadonlySet<string> | null = null;
  watch(
    () => [...store.table('approvals').values()].filter(({ state }) => state === 'pending'),
    (pending) => {
      // What waited when the page was opened is in the inbox; only what comes is announced.
      const isFirst = known === null || store.link.value.state !== 'live';
      const fresh = isFirst ? [] : pending.filter(({ id }) => !known?.has(id));
      known = new Set(pending.map(({ id }) => id));
      if (fresh.length > 0) announce(store, fresh);
    },
  );
}

function announce({ settings, router }: Store, fresh: readonly Approval[]): void {
  const [first] = fresh;
  if (first === undefined) return;
  const text = fresh.length === 1 ? sentenceOf(first) : `${fresh.length} questions wait for you.`;
  const { hasNotifications, hasSpeech } = settings.kept.value;
  if (hasNotifications && 'Notification' in window && Notification.permission === 'granted') {
    const shown = new Notification('Gantry', { body: text, tag: 'gantry-waiting' });
    shown.addEventListener('click', () => {
      window.focus();
      router.go('fleet');
    });
  }
  if (hasSpeech && 'speechSynthesis' in window) speechSynthesis.speak(new SpeechSynthesisUtterance(text));
}

export function sentenceOf({ subject, agent, backend }: Approval): string {
  const who = agent?.split('/').slice(1).join(' ') ?? backend;
  if (subject.type === 'question') return `${who} asks: ${subject.questions[0]?.question ?? ''}`.slice(0, SPOKEN_LIMIT);
  const { tool, command, patterns } = subject.call;
  return `${who} wants to use ${tool}: ${command ?? patterns.join(' ')}`.slice(0, SPOKEN_LIMIT);
}
