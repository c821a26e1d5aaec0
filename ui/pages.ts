import { type Component, computed, defineAsyncComponent, type Ref } from 'vue';
import { type Store, textOf } from './state/store.ts';

/** Each page is a file of its own: the first that is seen does not wait for the others. */
const LOADERS = {
  fleet: () => import('./pages/FleetPage.vue'),
  requests: () => import('./pages/RequestsPage.vue'),
  request: () => import('./pages/RequestPage.vue'),
  messages: () => import('./pages/MessagesPage.vue'),
  merges: () => import('./pages/MergesPage.vue'),
  events: () => import('./pages/EventsPage.vue'),
  history: () => import('./pages/HistoryPage.vue'),
  cost: () => import('./pages/CostPage.vue'),
  settings: () => import('./pages/SettingsPage.vue'),
  agents: () => import('./pages/AgentPage.vue'),
} as const satisfies Record<string, () => Promise<Component>>;

/** The page that the address names; `loadAll` has them all at hand, so that a lost connection keeps none away. */
export function usePage(store: Store): { readonly page: Ref<Component>; readonly loadAll: () => void } {
  const lazy = (loader: () => Promise<Component>): Component =>
    defineAsyncComponent({
      loader,
      onError: (error, _retry, fail) => {
        store.say('bad', `The page could not be loaded: ${textOf(error)}`);
        fail();
      },
    });
  const components = Object.fromEntries(Object.entries(LOADERS).map(([name, loader]) => [name, lazy(loader)]));
  return {
    page: computed(() => {
      const { page, id } = store.router.route.value;
      return components[page === 'requests' && id !== null ? 'request' : page] ?? {};
    }),
    // One that did not come is asked for again when it is wanted, and told then.
    loadAll: () => void Promise.allSettled(Object.values(LOADERS).map((load) => load())),
  };
}
