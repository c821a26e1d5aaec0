import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { namesIn } from '../base/directory.ts';
import { redact } from '../base/redact.ts';
import { AppError } from '../contract/errors.ts';
import type { HistoryHit, HistoryMessage, HistoryProblem, HistorySession, HistorySource } from '../contract/history.ts';
import { claudeSource, type DayUsage, usageByDay } from './claude.ts';
import { opencodeSource } from './opencode.ts';
import type { Source } from './source.ts';

/** Longest that a search looks; what it has found by then is its answer. */
const SEARCH_LIMIT_MS = 10_000;

export type HistoryPlaces = {
  /** HOME, XDG_DATA_HOME, OPENCODE_DB and CLAUDE_CONFIG_DIR are read. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Gantry's own: the databases of the OpenCode servers that it started are below it. */
  readonly home: string;
  /** Directories of projects: the predecessor of OpenCode kept its database in each. */
  readonly projects: () => readonly string[];
};

type Found<T> = { items: T[]; problems: HistoryProblem[] };

/** What the agent programs have kept of their own conversations, read-only. Secrets are masked on the way out. */
export class History {
  readonly #places: HistoryPlaces;

  constructor(places: HistoryPlaces) {
    this.#places = places;
  }

  async sessions(options: {
    readonly source?: HistorySource | undefined;
    readonly limit: number;
  }): Promise<Found<HistorySession>> {
    const { items, problems } = await this.#each(options.source, (source) => source.sessions(options.limit));
    const newest = items.sort((a, b) => (b.updatedAt ?? 0) - (a.updatedAt ?? 0));
    return { items: redact(newest.slice(0, options.limit)), problems };
  }

  /** @throws AppError `not_found`, naming the stores that were looked at */
  async messages(
    id: string,
    options: { readonly source?: HistorySource | undefined; readonly after: string | null; readonly limit: number },
  ): Promise<{ session: HistorySession; items: HistoryMessage[]; next: string | null }> {
    const { after, limit } = options;
    const { sources, problems } = await this.#open(options.source);
    for (const source of sources) {
      const session = await source.session(id);
      if (!session) continue;
      const found = await source.messages(id, { after, limit: limit + 1 });
      const items = found.slice(0, limit);
      return redact({ session, items, next: found.length > limit ? (items.at(-1)?.id ?? null) : null });
    }
    const looked = [...sources.map(({ store }) => store), ...problems.map(({ problem }) => problem)].join(', ');
    throw new AppError(
      'not_found',
      looked === '' ? `no session ${id}: no store was found` : `no session ${id} in ${looked}`,
    );
  }

  async search(options: {
    readonly text: string;
    readonly source?: HistorySource | undefined;
    readonly limit: number;
  }): Promise<Found<HistoryHit> & { readonly isComplete: boolean }> {
    const signal = AbortSignal.timeout(SEARCH_LIMIT_MS);
    const { items, problems } = await this.#each(options.source, (source) =>
      source.search(options.text, options.limit, signal),
    );
    const newest = items.sort((a, b) => (b.at ?? 0) - (a.at ?? 0));
    return { items: redact(newest.slice(0, options.limit)), problems, isComplete: !signal.aborted };
  }

  /** What a session of Claude Code used, by day and model; empty if no transcript of it is there. */
  async claudeUsage(id: string): Promise<readonly DayUsage[]> {
    const projects = this.#transcripts();
    return projects === null ? [] : await usageByDay(projects, id);
  }

  /** A store that cannot be read is told and spoils nothing else. */
  async #each<T>(
    only: HistorySource | undefined,
    ask: (source: Source) => Promise<readonly T[]>,
  ): Promise<{ readonly items: T[]; readonly problems: HistoryProblem[] }> {
    const { sources, problems } = await this.#open(only);
    const items: T[] = [];
    for (const source of sources) {
      try {
        items.push(...(await ask(source)));
      } catch (error) {
        problems.push(problemOf(source.source, source.store, error));
      }
    }
    return { items, problems };
  }

  async #open(
    only: HistorySource | undefined,
  ): Promise<{ readonly sources: Source[]; readonly problems: HistoryProblem[] }> {
    const sources: Source[] = [];
    const problems: HistoryProblem[] = [];
    const databases = only === 'claude' ? [] : await this.#databases();
    for (const file of databases) {
      try {
        sources.push(opencodeSource(file));
      } catch (error) {
        problems.push(problemOf('opencode', file, error));
      }
    }
    const projects = this.#transcripts();
    if (only !== 'opencode' && projects !== null) sources.push(claudeSource(projects));
    return { sources, problems };
  }

  async #databases(): Promise<string[]> {
    const { environment, home, projects } = this.#places;
    const { HOME = '/', XDG_DATA_HOME, OPENCODE_DB } = environment;
    const data = join(XDG_DATA_HOME || join(HOME, '.local', 'share'), 'opencode');
    const own = await Promise.all(
      (await namesIn(join(home, 'backends'))).map(async (backend) => {
        const base = join(home, 'backends', backend, 'projects');
        return (await namesIn(base)).map((project) => join(base, project, 'opencode.db'));
      }),
    );
    const channels = (await namesIn(data)).filter((name) => /^opencode(-[\w.]+)?\.db$/.test(name));
    const named = OPENCODE_DB ? [isAbsolute(OPENCODE_DB) ? OPENCODE_DB : join(data, OPENCODE_DB)] : [];
    const seeds = [HOME, ...projects()].map((directory) => join(directory, '.opencode', 'opencode.db'));
    const all = [...named, ...channels.map((name) => join(data, name)), ...own.flat(), ...seeds];
    // One that was named and is not there is told when it is opened.
    return [...new Set(all)].filter((file) => named.includes(file) || existsSync(file));
  }

  #transcripts(): string | null {
    const { HOME = '/', CLAUDE_CONFIG_DIR } = this.#places.environment;
    const projects = join(CLAUDE_CONFIG_DIR || join(HOME, '.claude'), 'projects');
    return existsSync(projects) ? projects : null;
  }
}

function problemOf(source: HistorySource, store: string, error: unknown): HistoryProblem {
  return { source, store, problem: error instanceof Error ? error.message : String(error) };
}
