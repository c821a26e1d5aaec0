import type {
  Backend,
  BackendEvent,
  BackendSession,
  CloseReport,
  EndReason,
  OpenSpec,
  PermissionProfile,
  ProcessBook,
  ProcessEntry,
  Prompt,
  PromptReceipt,
} from '../../src/backends/backend.ts';
import { PROFILE_TOOLS } from '../../src/backends/backend.ts';
import { newId } from '../../src/base/ids.ts';
import { deferred, within } from '../../src/base/wait.ts';
import type { MessageMode } from '../../src/contract/message.ts';

/** A failure bound, never the thing measured. */
export const LIMIT_MS = 60_000;

type Fitting<E, T> = E extends { readonly type: infer U }
  ? T extends U
    ? Omit<E, 'type'> & { readonly type: T }
    : never
  : never;
type EventOf<T extends BackendEvent['type']> = Fitting<BackendEvent, T>;

/** Reads a session's events to their end and lets a test wait for some. */
export class EventReader {
  readonly all: BackendEvent[] = [];
  /** Resolves when the iteration is over. */
  readonly over: Promise<void>;
  #waiting = new Set<() => void>();
  #followers = new Set<EventReader>();

  /** From another reader: what that one reads from here on. */
  constructor(events: AsyncIterable<BackendEvent> | EventReader) {
    if (events instanceof EventReader) events.#followers.add(this);
    this.over = events instanceof EventReader ? events.over : this.#read(events);
    this.over.catch(() => undefined);
  }

  /** Every turn that was begun has ended, and so has not the session. */
  get isAtRest(): boolean {
    return this.of('turn-started').length === this.of('turn-ended').length && this.of('ended').length === 0;
  }

  /** The first event of that type for which `fits` holds, whether it came already or comes yet. */
  async first<T extends BackendEvent['type']>(
    type: T,
    fits: (event: EventOf<T>) => boolean = () => true,
  ): Promise<EventOf<T>> {
    const found = deferred<EventOf<T>>();
    const look = (): void => {
      const event = this.of(type).find(fits);
      if (event) found.resolve(event);
    };
    this.#waiting.add(look);
    look();
    try {
      return await within(found.promise, LIMIT_MS, () => {
        return new Error(
          `no such "${type}" event; there were: ${this.all.map((event) => JSON.stringify(event)).join('\n')}`,
        );
      });
    } finally {
      this.#waiting.delete(look);
    }
  }

  of<T extends BackendEvent['type']>(type: T): EventOf<T>[] {
    return this.all.filter((event) => event.type === type) as unknown as EventOf<T>[];
  }

  async #read(events: AsyncIterable<BackendEvent>): Promise<void> {
    for await (const event of events) this.#take(event);
  }

  #take(event: BackendEvent): void {
    this.all.push(event);
    for (const look of this.#waiting) look();
    for (const follower of this.#followers) follower.#take(event);
  }
}

/** An open session with a reader of its events. */
export class LiveSession implements AsyncDisposable {
  readonly session: BackendSession;
  readonly events: EventReader;
  readonly #backend: Backend;
  readonly #giveBack: (() => void) | null;

  constructor(backend: Backend, session: BackendSession, lent?: { events: EventReader; giveBack: () => void }) {
    this.#backend = backend;
    this.session = session;
    this.events = new EventReader(lent?.events ?? session.events);
    this.#giveBack = lent?.giveBack ?? null;
  }

  /** The same session for somebody who sees its events from here on; left at rest it is given back, else closed. */
  lend(giveBack: () => void): LiveSession {
    return new LiveSession(this.#backend, this.session, { events: this.events, giveBack });
  }

  makePrompt(text: string): Prompt {
    return { id: newId('prm', Date.now()), text, native: this.#backend.promptIds() };
  }

  /** Sends a new prompt, and says which. */
  async send(text: string, mode: MessageMode = 'next-turn'): Promise<{ prompt: Prompt; receipt: PromptReceipt }> {
    const prompt = this.makePrompt(text);
    return { prompt, receipt: await this.session.prompt(prompt, mode) };
  }

  /** Sends a prompt and waits for the end of its turn. */
  async turn(text: string | Prompt, mode: MessageMode = 'next-turn'): Promise<EventOf<'turn-ended'>> {
    const prompt = typeof text === 'string' ? this.makePrompt(text) : text;
    const receipt = await this.session.prompt(prompt, mode);
    if (receipt.type === 'refused') throw new Error(`refused: ${JSON.stringify(receipt.failure)}`);
    return await this.end(prompt);
  }

  end(prompt: Prompt): Promise<EventOf<'turn-ended'>> {
    return this.events.first('turn-ended', (event) => event.promptId === prompt.id);
  }

  async ended(): Promise<EndReason> {
    const { reason } = await this.events.first('ended');
    await within(this.events.over, LIMIT_MS, () => new Error('the events go on after "ended"'));
    return reason;
  }

  close(graceMs = 500): Promise<CloseReport> {
    return this.session.close(graceMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#giveBack && this.events.isAtRest) this.#giveBack();
    else await this.close();
  }
}

/** The spec of a new session in `directory`; every tool is allowed. */
export function openSpec(directory: string, more: Partial<OpenSpec> = {}): OpenSpec {
  return {
    sessionId: newId('sess', Date.now()),
    attemptId: null,
    title: 'A session of a test',
    directory,
    project: { id: 'prj_test01', path: directory, isTrusted: false },
    profile: profileWith({}),
    model: null,
    env: {},
    mcp: {},
    instructions: null,
    from: { type: 'new' },
    limitMs: 60_000,
    signal: new AbortController().signal,
    ...more,
  };
}

/** Everything is allowed but what is named. */
export function profileWith(rules: Partial<PermissionProfile['tools']>): PermissionProfile {
  const allowed = Object.fromEntries(PROFILE_TOOLS.map((tool) => [tool, 'allow'])) as PermissionProfile['tools'];
  return { id: JSON.stringify(rules), tools: { ...allowed, ...rules } };
}

/** A book in memory: what is in it outlives a backend object, as the real one outlives a daemon. */
export class MemoryBook implements ProcessBook {
  readonly #entries = new Map<string, ProcessEntry>();

  readonly put = (entry: ProcessEntry): void => {
    // As the real one: what is not JSON does not come back.
    this.#entries.set(entry.id, JSON.parse(JSON.stringify(entry)) as ProcessEntry);
  };

  readonly remove = (id: string): void => {
    this.#entries.delete(id);
  };

  readonly list = (kind: string): readonly ProcessEntry[] => this.all().filter((entry) => entry.kind === kind);

  all(): readonly ProcessEntry[] {
    return [...this.#entries.values()];
  }
}
