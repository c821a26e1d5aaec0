import { onMounted, onUnmounted, type Ref, ref } from 'vue';
import { NAV } from './route.ts';
import type { Store } from './store.ts';

/** What single keys do: shown in the help, acted on here and in the inbox. */
export const KEYS = [
  { keys: ['1', '…', '8'], does: 'go to a page, in the order of the navigation' },
  { keys: ['n'], does: 'write a new request' },
  { keys: ['j', 'k'], does: 'next, previous: question, message, conversation' },
  { keys: ['a'], does: 'allow once' },
  { keys: ['s'], does: 'allow for the session' },
  { keys: ['p'], does: 'allow for the project' },
  { keys: ['d'], does: 'deny, with a reason' },
  { keys: ['r'], does: 'reply, on the page of messages' },
  { keys: ['e'], does: 'put away, on the page of messages' },
  { keys: ['/'], does: 'search, on the pages of events and history' },
  { keys: ['f'], does: 'follow or hold, on the page of events' },
  { keys: ['?'], does: 'this list' },
  { keys: ['Esc'], does: 'close what is open' },
] as const;

/** Whether a key belongs to what has the focus. */
export const isTyping = ({ target }: KeyboardEvent): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** Keys that only move: the others act once however long they are held. */
const MOVING: ReadonlySet<string> = new Set(['j', 'k']);

/** Acts on single keys, where nobody types and they are not switched off. */
export function onKey(store: Store, act: (key: string, event: KeyboardEvent) => void): void {
  const listener = (event: KeyboardEvent): void => {
    const hasModifier = event.ctrlKey || event.metaKey || event.altKey;
    if (event.repeat && !MOVING.has(event.key)) return;
    if (hasModifier || isTyping(event) || document.querySelector('dialog[open]') !== null) return;
    if (store.settings.kept.value.hasShortcuts) act(event.key, event);
  };
  onMounted(() => document.addEventListener('keydown', listener));
  onUnmounted(() => document.removeEventListener('keydown', listener));
}

export function useKeys(store: Store): { readonly isHelpOpen: Ref<boolean>; readonly closeHelp: () => void } {
  const isHelpOpen = ref(false);
  onKey(store, (key, event) => {
    const page = NAV[Number(key) - 1];
    if (page !== undefined) store.router.go(page);
    else if (key === 'n') store.router.go('requests', null, { new: 1 });
    else if (key === '?') isHelpOpen.value = true;
    else return;
    event.preventDefault();
  });
  const closeHelp = (): void => {
    isHelpOpen.value = false;
  };
  return { isHelpOpen, closeHelp };
}
