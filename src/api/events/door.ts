import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { Counter, type Family } from '../../base/exposition.ts';
import type { Log } from '../../base/log.ts';
import { AppError, ERRORS, toAppError } from '../../contract/errors.ts';
import type { Scope } from '../../contract/shapes.ts';
import type { Events, Sender } from '../../engine/observations/events.ts';
import type { Themes } from '../../engine/observations/themes.ts';
import type { EventRules } from '../../ingest/event.ts';
import type { Access } from '../access.ts';
import { type Authenticated, authorize } from '../auth.ts';
import type { StreamLimits, Wanted } from '../fact-reader.ts';
import type { FactSearch } from '../search.ts';
import { type OnCommit, Streams } from '../streams.ts';
import { answer, answerError, type Headers } from './answer.ts';
import type { PlainPost } from './front.ts';
import { EventPost, type PostLimits } from './post.ts';
import { parseEventStream, parseRecent, parseWait } from './query.ts';
import { recentEvents } from './recent.ts';
import { type Route, routeOf, shownPath } from './route.ts';
import { isOpenSender, Senders, unknownPath } from './senders.ts';
import { checkEventSite, corsHeaders, PREFLIGHT } from './site.ts';
import { EventPages } from './source.ts';
import { THEME_WAYS, themeError } from './themes.ts';

export type EventLimits = PostLimits & {
  readonly stream: StreamLimits;
  /** Characters of the first message of a stream. */
  readonly maxInitial: number;
  /** Characters of the events of one answer, without their transcripts; one event may have more. */
  readonly maxRecent: number;
};

export const EVENT_LIMITS: EventLimits = {
  maxBodyBytes: 8_000_000,
  maxDepth: 200,
  maxBatch: 1_000,
  maxInitial: 5_000_000,
  maxRecent: 32_000_000,
  stream: {
    maxBufferBytes: 1_000_000,
    maxLagFacts: 50_000,
    maxLagMs: 300_000,
    heartbeatMs: 20_000,
    maxUnanswered: 2,
    maxReaders: 256,
  },
};

/** What the configuration says about the events API. */
export type EventSettings = {
  /** Events are taken without a token from programs of this machine. */
  readonly openIngest: boolean;
  /** Further origins whose pages are let in on paths that are a token. */
  readonly origins: readonly string[];
};

export type EventParts = {
  readonly events: Events;
  readonly themes: Themes;
  readonly search: FactSearch;
  readonly rules: Omit<EventRules, 'now'>;
  readonly settings: () => EventSettings;
  readonly limits?: Partial<EventLimits>;
};

/** A changed configuration holds after so long. */
const SETTINGS_MS = 1_000;

type DoorParts = EventParts & {
  readonly access: Access;
  readonly cookie: string;
  readonly hosts: ReadonlySet<string>;
  readonly onCommit: OnCommit;
  readonly clock: Clock;
  readonly log: Log;
};

/** A request that was let in. */
type Visit = {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  readonly route: Route;
  readonly sender: Authenticated | null;
  readonly headers: Headers;
};
type Handle = (visit: Visit) => Promise<void> | void;
type Way = { readonly method: string; readonly path: RegExp; readonly scope: Scope; readonly handle: Handle };

/**
 * The events API: what the observability server of hook users answers, in front of the framework, since a request of it
 * must cost little more than its transaction.
 */
export class EventDoor {
  readonly #parts: DoorParts;
  readonly #limits: EventLimits;
  readonly #senders: Senders;
  readonly #post: EventPost;
  readonly #pages: EventPages;
  readonly streams: Streams;
  readonly #ways: readonly Way[];
  #known: { readonly settings: EventSettings; readonly until: number } | null = null;
  readonly #taken = new Counter('gantry_events_total', 'Events of outside programs that were recorded over HTTP.');
  readonly #refused = new Counter('gantry_events_refused_total', 'Refused calls of the events API, by error code.');

  constructor(parts: DoorParts) {
    this.#parts = parts;
    this.#limits = { ...EVENT_LIMITS, ...parts.limits };
    this.#senders = new Senders(parts.access, parts.cookie, parts.clock);
    const onTaken = (count: number): void => this.#taken.add({}, count);
    this.#post = new EventPost({ ...parts, limits: this.#limits, now: parts.clock.now, onTaken });
    this.#pages = new EventPages(parts);
    const { onCommit, clock, log } = parts;
    this.streams = new Streams({
      onCommit,
      clock,
      log,
      limits: this.#limits.stream,
      isTalkative: true,
      eventsAfterMs: 0,
    });
    this.#ways = [
      { method: 'POST', path: /^\/events$/, scope: 'ingest', handle: (visit) => this.#take(visit) },
      { method: 'POST', path: /^\/hook$/, scope: 'ingest', handle: (visit) => this.#takeHook(visit) },
      { method: 'GET', path: /^\/events\/recent$/, scope: 'read', handle: (visit) => this.#recent(visit) },
      { method: 'GET', path: /^\/events\/filter-options$/, scope: 'read', handle: (visit) => this.#names(visit) },
      {
        method: 'POST',
        path: /^\/events\/\d{1,15}\/respond$/,
        scope: 'approve',
        handle: (visit) => this.#respond(visit),
      },
      {
        method: 'GET',
        path: /^\/events\/\d{1,15}\/response$/,
        scope: 'ingest',
        handle: (visit) => this.#response(visit),
      },
      { method: 'GET', path: /^\/stream$/, scope: 'read', handle: (visit) => this.#openEvents(visit) },
      ...THEME_WAYS.map((way): Way => ({ ...way, scope: 'read', handle: (visit) => this.#themes(visit, way) })),
    ];
  }

  /** Answers a request that is the events API's; false if it is not. */
  handle(incoming: IncomingMessage, response: ServerResponse): boolean {
    const route = routeOf(incoming.url ?? '');
    if (route === null) return false;
    void this.#visit(incoming, response, route);
    return true;
  }

  /** The answer to a plain post of an event; rejects for whatever `handle` refuses. Nothing was recorded then. */
  async takePlain({ url, headers }: PlainPost, body: Buffer): Promise<string> {
    const route = routeOf(url);
    if (route === null) throw unknownPath(url);
    checkEventSite(headers, route, { hosts: this.#parts.hosts, ...this.#settings() });
    const sender = this.#senders.verify(headers, route, true);
    authorize(sender, { scope: 'ingest' });
    return await this.#post.takeBytes(body, senderOf(sender), sender.sourceApp ?? null);
  }

  /** Turns a request into a WebSocket of `/stream`; false if it is none of the events API. @throws AppError (rejects) */
  async upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<boolean> {
    const route = routeOf(incoming.url ?? '');
    if (route === null) return false;
    checkEventSite(incoming.headers, route, { hosts: this.#parts.hosts, ...this.#settings() });
    // A page may open a WebSocket with our cookie: it must name its Origin, as a change must.
    const verified = this.#senders.verify(incoming.headers, route, true);
    authorize(verified, { scope: 'read' });
    if (route.door === 'in' || route.path !== '/stream') throw unknownPath(shownPath(route));
    const wanted = await this.#wanted(incoming, route, verified.isStillValid);
    this.streams.openSocket({ incoming, socket, head }, wanted, verified.isStillValid);
    return true;
  }

  /** Events taken and requests refused, since the daemon's start. */
  families(): readonly Family[] {
    return [this.#taken.family(), this.#refused.family()];
  }

  /** Looking whether the configuration has changed costs as much as a tenth of an event. */
  #settings(): EventSettings {
    const now = this.#parts.clock.now();
    if (this.#known === null || this.#known.until <= now) {
      this.#known = { settings: this.#parts.settings(), until: now + SETTINGS_MS };
    }
    return this.#known.settings;
  }

  /** Rights may have changed. */
  recheck(): void {
    this.#senders.forget();
    this.streams.recheck();
  }

  async #visit(incoming: IncomingMessage, response: ServerResponse, route: Route): Promise<void> {
    let headers: Headers = {};
    try {
      const settings = this.#settings();
      headers = corsHeaders(checkEventSite(incoming.headers, route, { hosts: this.#parts.hosts, ...settings }));
      if (incoming.method === 'OPTIONS' && route.door !== 'plain') {
        answer(response, 204, null, { ...headers, ...PREFLIGHT });
        return;
      }
      const isOpen = settings.openIngest && isOpenSender(incoming, route);
      const sender = isOpen ? null : this.#senders.verify(incoming.headers, route, incoming.method !== 'GET');
      const way = this.#wayOf(incoming, route);
      if (sender !== null) authorize(sender, way);
      await way.handle({ incoming, response, route, sender, headers });
    } catch (thrown) {
      this.#refuse(incoming, response, { route, headers, error: toAppError(thrown), thrown });
    }
  }

  #refuse(
    incoming: IncomingMessage,
    response: ServerResponse,
    { route, headers, error, thrown }: { route: Route; headers: Headers; error: AppError; thrown: unknown },
  ): void {
    const { clock, log, events } = this.#parts;
    this.#refused.add({ code: error.code });
    if (ERRORS[error.code].status >= 500) log.error({ err: thrown, path: shownPath(route) }, 'a call failed');
    if (error.code === 'too_large') events.refused(error.message);
    incoming.resume();
    const more = route.path.startsWith('/api/themes') ? themeError(error) : {};
    const send = (): void => answerError(response, error, headers, more);
    if (error.code === 'unauthorized') clock.after(this.#senders.delay(incoming), send);
    else send();
  }

  #wayOf({ method }: IncomingMessage, route: Route): Way {
    const isSending = (way: Way): boolean => way.scope === 'ingest';
    const here = this.#ways.filter(
      (way) => way.path.test(route.path) && (route.door === 'plain' || (route.door === 'in') === isSending(way)),
    );
    if (here.length === 0) throw unknownPath(shownPath(route));
    const found = here.find((way) => way.method === method);
    if (found) return found;
    const allowed = here.map((way) => way.method).join(', ');
    throw new AppError('method_not_allowed', `${shownPath(route)} takes ${allowed}`);
  }

  async #take({ incoming, response, sender, headers }: Visit): Promise<void> {
    answer(response, 200, await this.#post.take(incoming, senderOf(sender), sender?.sourceApp ?? null), headers);
  }

  async #takeHook({ incoming, response, route, sender, headers }: Visit): Promise<void> {
    const source = new URLSearchParams(route.search).get('source_app') ?? sender?.sourceApp ?? '';
    const json = await this.#post.takeHook(incoming, senderOf(sender), source, sender?.sourceApp ?? null);
    answer(response, 200, json, headers);
  }

  async #recent({ response, route, headers }: Visit): Promise<void> {
    const { maxRecent: maxLength, maxInitial, maxBodyBytes } = this.#limits;
    const found = await recentEvents({ ...parseRecent(route.search), maxLength }, this.#parts);
    answer(response, 200, this.#parts.events.texts(found, Math.max(maxInitial, maxBodyBytes)), headers);
  }

  #names({ response, headers }: Visit): void {
    answer(response, 200, this.#parts.events.names(), headers);
  }

  async #respond({ incoming, response, route, sender, headers }: Visit): Promise<void> {
    const given = await this.#post.readObject(incoming);
    const { caller } = senderOf(sender);
    answer(response, 200, this.#parts.events.respond(idIn(route), given, caller), headers);
  }

  async #response({ response, route, sender, headers }: Visit): Promise<void> {
    const { tokenId } = senderOf(sender);
    const json = await this.#parts.events.response(idIn(route), parseWait(route.search), tokenId);
    answer(response, json === null ? 204 : 200, json, headers);
  }

  async #themes(
    { incoming, response, route, sender, headers }: Visit,
    way: (typeof THEME_WAYS)[number],
  ): Promise<void> {
    const { caller, tokenId } = senderOf(sender);
    // The person at this machine has many tokens, one per browser.
    const owner = { id: caller.actor === 'person' ? 'person' : (tokenId ?? caller.actor), name: caller.actor };
    const id = route.path.split('/')[3] ?? '';
    const body = () => this.#post.readObject(incoming);
    const done = await way.handle(this.#parts.themes, { owner, id, search: route.search, body });
    answer(response, done.status, JSON.stringify(done.body), { ...headers, ...done.headers });
  }

  async #openEvents({ incoming, response, route, sender, headers }: Visit): Promise<void> {
    if (!/\btext\/event-stream\b/.test(incoming.headers.accept ?? '')) {
      throw new AppError('upgrade_required', 'this is a WebSocket, or server-sent events by Accept: text/event-stream');
    }
    const isStillValid = sender?.isStillValid ?? (() => true);
    const wanted = await this.#wanted(incoming, route, isStillValid);
    if (response.destroyed) return;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    this.streams.openEvents(response, wanted, isStillValid);
  }

  /** What the reader follows, once it is sure that it may. */
  async #wanted(incoming: IncomingMessage, route: Route, isStillValid: () => boolean): Promise<Wanted> {
    const last = incoming.headers['last-event-id'];
    const asked = parseEventStream(
      route.search,
      typeof last === 'string' ? last : undefined,
      this.#parts.events.head(),
    );
    const filter = this.#parts.events.resolve(asked.filter);
    this.streams.requireRoom();
    if (asked.since !== null) return { source: this.#pages.source(filter, true), since: asked.since };
    const first = await this.#pages.initial(filter, this.#limits.maxInitial);
    // Looking for the first events takes its time.
    this.streams.requireRoom();
    if (!isStillValid()) throw new AppError('unauthorized', 'the token is no longer valid');
    return { source: this.#pages.source(filter, false), since: first.seq, first };
  }
}

/** The event that the path names. */
const idIn = ({ path }: Route): number => Number(path.split('/')[2]);

const senderOf = (verified: Authenticated | null): Sender =>
  verified === null
    ? { caller: { actor: 'unauthenticated', scope: 'ingest', agent: null }, tokenId: null }
    : { caller: verified.caller, tokenId: verified.tokenId as Sender['tokenId'] };
