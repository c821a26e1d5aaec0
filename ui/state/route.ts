import { type ShallowRef, shallowRef } from 'vue';

/** The pages that the navigation names, in its order: their keys are 1, 2, … */
export const NAV = ['fleet', 'requests', 'messages', 'merges', 'events', 'history', 'cost', 'settings'] as const;
const PAGES = [...NAV, 'agents'] as const;
export type PageName = (typeof PAGES)[number];

/** Where the page is: `#/requests/req_…?task=tsk_…`. All of it is in the address, so that it can be kept and sent. */
export type Route = {
  readonly page: PageName;
  /** What of the page: a request's id, an agent's or mailbox's address, a conversation's id. */
  readonly id: string | null;
  readonly query: Readonly<Record<string, string>>;
};

export type Query = Readonly<Record<string, string | number | null | undefined>>;

/** What is no encoding is taken as it stands: anybody may write an address. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return text;
  }
}

export function parseRoute(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?');
  const [page, id] = path.split('/');
  return {
    // The agents are on the page of the fleet.
    page: (id || page !== 'agents' ? PAGES.find((one) => one === page) : null) ?? 'fleet',
    id: id ? decoded(id) : null,
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

export function hrefOf(page: PageName, id: string | null = null, query: Query = {}): string {
  const given = Object.entries(query).flatMap(([key, value]) =>
    value === null || value === undefined || value === '' ? [] : [[key, String(value)]],
  );
  const search = given.length > 0 ? `?${new URLSearchParams(given)}` : '';
  return `#/${page}${id === null ? '' : `/${encodeURIComponent(id)}`}${search}`;
}

/** Follows the address; `go` makes a step in the history, `amend` does not. */
export class Router {
  readonly route: ShallowRef<Route> = shallowRef(parseRoute(location.hash));

  constructor() {
    addEventListener('hashchange', () => this.#read());
  }

  go(page: PageName, id: string | null = null, query: Query = {}): void {
    location.hash = hrefOf(page, id, query);
  }

  /** Changes what is given of the query, in place. */
  amend(query: Query): void {
    // Where the page is now: a step that was just made is not read yet.
    const { page, id, query: before } = parseRoute(location.hash);
    history.replaceState(null, '', hrefOf(page, id, { ...before, ...query }));
    this.#read();
  }

  #read(): void {
    this.route.value = parseRoute(location.hash);
  }
}
