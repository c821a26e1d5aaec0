import type { World } from './world.ts';

/** How outside programs reach the daemon of a world: the same before and after it is started again. */
export type EventHome = {
  readonly url: string;
  readonly port: number;
  /** Paths that are tokens. */
  readonly inPath: string;
  readonly viewPath: string;
};

/** With the daemon up: tokens of its own, as a person makes them. */
export async function eventHome(world: World): Promise<EventHome> {
  const status = (await world.gantry(['status', '--json'])).json() as { readonly url: string };
  const token = async (scope: string): Promise<string> => {
    const made = (await world.gantry(['token', '--scope', scope, '--json'])).json() as { readonly token: string };
    return made.token;
  };
  return {
    url: status.url,
    port: Number(new URL(status.url).port),
    inPath: `/in/${await token('ingest')}`,
    viewPath: `/view/${await token('approve')}`,
  };
}

/** All events that are kept, oldest first. */
export async function allEvents({ url, viewPath }: EventHome): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = [];
  for (;;) {
    const since = String(found.at(-1)?.id ?? 0);
    const response = await fetch(`${url}${viewPath}/events/recent?limit=1000&since=${since}`);
    const page = (await response.json()) as Record<string, unknown>[];
    if (page.length === 0) return found;
    found.push(...page);
  }
}
