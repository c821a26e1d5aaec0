import type { Client } from '../client/client.ts';
import { AppError } from '../contract/errors.ts';
import type { Fact, StreamMessage } from '../contract/fact.ts';
import type { Request } from '../contract/request.ts';
import type { Observation } from './observe.ts';
import { Relay } from './relay.ts';
import { contextWords } from './words.ts';

type Gap = Extract<StreamMessage, { type: 'gap' }>;

export type RequestsOptions = {
  readonly client: () => Promise<Client>;
  readonly directory: string;
  readonly report: (observations: readonly Observation[]) => void;
  readonly warn: (text: string) => void;
  readonly tell: (text: string) => void;
};

const SUBMIT_LIMIT_MS = 30_000;
/** A daemon that is being restarted: the same key is sent again, and is carried out once. */
const PAUSES_MS = [0, 1_000, 5_000];
const GIVE_UP_MS = 600_000;
/** Of one session, in the text for its model. */
const MAX_TOLD = 3;
const MAX_KEPT = 200;
const PAGE = 200;

/** The requests that this OpenCode's sessions have given to Gantry, followed to their ends. */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #relays = new Map<string, Relay>();
  readonly #bySession = new Map<string, string[]>();
  readonly #end = new AbortController();

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /** Follows none of them any more; what runs goes on without this process. */
  close(): void {
    this.#end.abort();
  }

  ofSession(sessionId: string): readonly Relay[] {
    const ids = this.#bySession.get(sessionId) ?? [];
    return ids.flatMap((id) => this.#relays.get(id) ?? []);
  }

  /** What the session's model should know; null if nothing. */
  contextOf(sessionId: string): string | null {
    const relays = this.ofSession(sessionId).filter(({ request }) => !request.plan?.reply);
    return relays.length === 0 ? null : contextWords(relays.slice(-MAX_TOLD));
  }

  /** @param key the same for the same message: it makes one request however often it is sent. @throws AppError */
  async submit(sessionId: string, text: string, isPlanOnly: boolean, key: string): Promise<Relay> {
    const input = { text, project: this.#options.directory, options: { isPlanOnly } };
    const client = await this.#options.client();
    const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(SUBMIT_LIMIT_MS)]);
    const request = await client.call('requests.submit', input, { idempotencyKey: key, signal });
    return this.adopt(sessionId, request);
  }

  /** Follows a request under a session. */
  adopt(sessionId: string, request: Request): Relay {
    const known = this.#relays.get(request.id);
    if (known && !known.isOver) return known;
    const relay = new Relay(sessionId, request);
    const [oldest] = this.#relays.keys();
    if (this.#relays.size >= MAX_KEPT && oldest !== undefined) this.#relays.delete(oldest);
    this.#relays.set(request.id, relay);
    const ids = this.#bySession.get(sessionId) ?? [];
    if (!ids.includes(request.id)) this.#bySession.set(sessionId, [...ids, request.id]);
    void this.#follow(relay).catch((error: unknown) => {
      if (!this.#end.signal.aborted) this.#options.warn(`request ${request.id} is not followed: ${wordsOf(error)}`);
    });
    return relay;
  }

  /** Gives a person's message to Gantry; what comes of it is told. Never rejects. */
  async hand(sessionId: string, text: string, isPlanOnly: boolean, key: string): Promise<void> {
    try {
      await this.#submitPatiently(sessionId, text, isPlanOnly, key);
    } catch (error) {
      if (this.#end.signal.aborted) return;
      this.#options.warn(`the message was not ${isPlanOnly ? 'planned' : 'given to agents'}: ${wordsOf(error)}`);
    }
  }

  async #submitPatiently(sessionId: string, text: string, isPlanOnly: boolean, key: string): Promise<void> {
    for (const [index, pauseMs] of PAUSES_MS.entries()) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs).unref());
      try {
        await this.submit(sessionId, text, isPlanOnly, key);
        return;
      } catch (error) {
        const isAway =
          error instanceof AppError && ['daemon_unreachable', 'overloaded', 'timeout'].includes(error.code);
        if (!isAway || index === PAUSES_MS.length - 1 || this.#end.signal.aborted) throw error;
      }
    }
  }

  async #follow(relay: Relay): Promise<void> {
    const { id } = relay.request;
    const client = await this.#options.client();
    const { signal } = this.#end;
    let isPlanTold = false;
    // From its beginning: what happened before this moment is told as well, and each thing once.
    for await (const message of client.stream({ requestId: id, since: 0, signal, giveUpMs: GIVE_UP_MS })) {
      // What the stream leaves out is read where it is kept.
      const facts = message.type === 'gap' ? await keptIn(client, id, message) : [];
      if (message.type === 'fact') facts.push(message.fact);
      for (const fact of facts) this.#options.report(relay.fact(fact));
      if (!isPlanTold && relay.request.state === 'planned') {
        isPlanTold = true;
        this.#options.tell(planWords(relay.request));
      }
      if (relay.isOver) return this.#options.tell(endWords(relay.request));
    }
  }
}

/** What is kept of a request's facts in a gap, oldest first. */
async function keptIn(client: Client, requestId: Request['id'], { after, before }: Gap): Promise<Fact[]> {
  const facts: Fact[] = [];
  for (let since = after; since < before - 1; ) {
    const page = await client.call('facts.list', { requestId, since, kept: 'true', limit: PAGE });
    facts.push(...page.items.filter(({ seq }) => seq < before));
    since = page.next;
  }
  return facts;
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function planWords({ id, plan }: Request): string {
  const titles = (plan?.tasks ?? []).map(({ id: label, title }) => `${label} ${title}`).join('; ');
  return `plan ${id}: ${titles}. Carry it out with: gantry resume ${id}`;
}

function endWords({ id, state, plan, result, failure, cause }: Request): string {
  if (plan?.reply) return plan.reply;
  const how = state === 'done' ? (result?.branch ?? 'nothing was changed') : (failure?.message ?? cause ?? '');
  return `request ${id} is ${state}: ${how}`;
}
