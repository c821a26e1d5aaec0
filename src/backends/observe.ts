import { newId } from '../base/ids.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import type { PromptId } from '../contract/ids.ts';
import type { MessageMode } from '../contract/message.ts';
import {
  type Backend,
  type BackendEvent,
  type BackendSession,
  type Capability,
  type OpenSpec,
  PROFILE_TOOLS,
  type ProfileTool,
} from './backend.ts';

/** What was seen of a capability. `isSeen` null: nothing that tells; the model may not have done what it was asked to. */
export type Observation = { readonly capability: Capability; readonly isSeen: boolean | null; readonly detail: string };

type Ended = Extract<BackendEvent, { type: 'turn-ended' }>;
type Act = { readonly words: string; readonly fake: readonly object[]; readonly model: readonly object[] };

/** For one step of a real model. */
const LIMIT_MS = 60_000;
const GRACE_MS = 5_000;
/** In every command of these checks, and so in what it asks to be allowed. */
const MARK = 'gantry-check';

const shell = (command: string): Pick<Act, 'fake' | 'model'> => ({
  fake: [{ run: { command } }, { text: 'done' }],
  model: [{ tools: [{ name: 'bash', input: { command, description: MARK } }] }, { text: 'done' }],
});
const command = (text: string): Act => ({
  words: `Run exactly this shell command with your shell tool, in the foreground, then answer with the word done: ${text}`,
  ...shell(text),
});
const ANSWER: Act = {
  words: 'Answer with the word done.',
  fake: [{ reasoning: 'short', text: 'done' }],
  model: [{ reasoning: 'short', text: 'done' }],
};
const RUN = command(`echo ${MARK}`);
const WAIT = command(`sleep 3; echo ${MARK}`);
const ASK: Act = {
  words: 'Ask me one question with your question tool: red or blue? Then answer with the word done.',
  fake: [{ question: { question: 'Which?', options: ['red', 'blue'].map((label) => ({ label, description: '' })) } }],
  model: [{ text: 'done' }],
};
const DELEGATE: Act = {
  words: `Let a sub-agent run exactly this shell command, then answer with the word done: echo ${MARK}`,
  fake: [{ child: true, run: { command: `echo ${MARK}` } }, { text: 'done' }],
  model: [{ text: 'done' }],
};

/** The last two lines script the fake agent and the scripted model; a real model reads what is above. */
const promptOf = ({ words, fake, model }: Act): string =>
  `${words}

(Lines that begin with @@ are for scripted test models: pass over them.)
@@fake ${JSON.stringify(fake)}
@@model ${JSON.stringify(model)}`;

/** A session that is told what to do, and what it says. Only the commands of these checks are allowed. */
class Talk implements AsyncDisposable {
  readonly session: BackendSession;
  readonly seen: BackendEvent[] = [];
  readonly #backend: Backend;
  readonly #waiting = new Set<() => void>();
  readonly #reading: Promise<void>;
  /** Why a question could not be answered: its turn would never end. */
  #fault: AppError | null = null;

  constructor(backend: Backend, session: BackendSession) {
    this.#backend = backend;
    this.session = session;
    this.#reading = this.#read();
  }

  static async open(backend: Backend, spec: OpenSpec): Promise<Talk> {
    return new Talk(backend, await backend.open(spec));
  }

  async say(act: Act, mode: MessageMode = 'next-turn'): Promise<PromptId> {
    const prompt = { id: newId('prm', Date.now()), text: promptOf(act), native: this.#backend.promptIds() };
    const receipt = await this.session.prompt(prompt, mode);
    if (receipt.type === 'refused') throw new AppError('backend_refused', receipt.failure.message);
    return prompt.id;
  }

  /** @throws AppError `timeout`, or `backend_failed` if the session ends first */
  async until<T>(what: string, pick: (seen: readonly BackendEvent[]) => T | undefined): Promise<T> {
    const limit = AbortSignal.timeout(LIMIT_MS);
    const elapsed = new Promise<void>((resolve) => {
      limit.addEventListener('abort', () => resolve(), { once: true });
    });
    for (;;) {
      const found = pick(this.seen);
      if (found !== undefined) return found;
      if (this.#fault) throw this.#fault;
      if (limit.aborted) throw new AppError('timeout', `${what} did not come within ${LIMIT_MS / 1000} s`);
      const end = this.seen.find((event) => event.type === 'ended');
      if (end) throw new AppError('backend_failed', `the session ended before ${what} came`);
      const more = new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
      await Promise.race([more, elapsed]);
    }
  }

  endOf(id: PromptId): Promise<Ended> {
    const isOf = (event: BackendEvent): event is Ended => event.type === 'turn-ended' && event.promptId === id;
    return this.until('the end of the turn', (seen) => seen.find(isOf));
  }

  async turn(act: Act): Promise<Ended> {
    const end = await this.endOf(await this.say(act));
    if (end.failure) throw new AppError('backend_failed', `${end.failure.class}: ${end.failure.message}`);
    return end;
  }

  async #read(): Promise<void> {
    for await (const event of this.session.events) {
      this.seen.push(event);
      if (event.type === 'asked') {
        this.#answer(event).catch((error: unknown) => {
          this.#fault ??= toAppError(error);
          this.#wake();
        });
      }
      this.#wake();
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async #answer({ nativeId, subject }: Extract<BackendEvent, { type: 'asked' }>): Promise<void> {
    if (subject.type === 'question') {
      const answers = subject.questions.map(({ options }) => [options[0]?.label ?? 'red']);
      await this.session.answer(nativeId, { type: 'answer', answers });
      return;
    }
    const isOurs = subject.call.tool === 'task' || JSON.stringify(subject.call).includes(MARK);
    const reason = 'only the commands of the check may run';
    await this.session.answer(
      nativeId,
      isOurs ? { type: 'allow', scope: 'once', expiresAt: null } : { type: 'deny', reason },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session.close(GRACE_MS);
    await this.#reading;
  }
}

type Check = (talk: Talk) => Promise<Pick<Observation, 'isSeen' | 'detail'>>;

const has = (talk: Talk, type: BackendEvent['type']): boolean => talk.seen.some((event) => event.type === type);

/** The checks that one session goes through, in this order. */
const IN_SESSION: readonly (readonly [Capability, Check])[] = [
  [
    'cost',
    async (talk) => {
      const { usage } = await talk.turn(RUN);
      const isSeen = usage.costUsd !== null ? true : usage.inputTokens > 0 ? false : null;
      return { isSeen, detail: `${usage.inputTokens} tokens in, cost ${usage.costUsd ?? 'not told'}` };
    },
  ],
  [
    'transcript',
    async ({ session }) => {
      const items = await session.transcript();
      return { isSeen: items.length > 0, detail: `${items.length} items` };
    },
  ],
  [
    'reasoning',
    async (talk) => {
      await talk.turn(ANSWER);
      const isSeen = has(talk, 'reasoning') || null;
      return { isSeen, detail: isSeen ? 'told' : 'the model showed none' };
    },
  ],
  [
    'steer',
    async (talk) => {
      const before = talk.seen.length;
      const first = await talk.say(WAIT);
      await talk.until('the start of a tool', (seen) => seen.slice(before).find(({ type }) => type === 'tool-started'));
      const second = await talk.say(ANSWER, 'steer');
      await Promise.all([talk.endOf(first), talk.endOf(second)]);
      const own = talk.seen.slice(before);
      const at = (type: BackendEvent['type'], id: PromptId): number =>
        own.findIndex((event) => event.type === type && 'promptId' in event && event.promptId === id);
      const isSeen = at('turn-started', second) < at('turn-ended', first);
      return { isSeen, detail: isSeen ? 'the second prompt joined the running turn' : 'it waited for the next turn' };
    },
  ],
  [
    'interrupt',
    async (talk) => {
      const before = talk.seen.length;
      const id = await talk.say(WAIT);
      await talk.until('the start of a tool', (seen) => seen.slice(before).find(({ type }) => type === 'tool-started'));
      await talk.session.interrupt();
      const { outcome } = await talk.endOf(id);
      return { isSeen: outcome === 'interrupted', detail: `the turn ended: ${outcome}` };
    },
  ],
  [
    'questions',
    async (talk) => {
      await talk.turn(ASK);
      const isSeen = talk.seen.some((event) => event.type === 'asked' && event.subject.type === 'question') || null;
      return { isSeen, detail: isSeen ? 'a question came' : 'the model asked none' };
    },
  ],
  [
    'children',
    async (talk) => {
      await talk.turn(DELEGATE);
      const isSeen = has(talk, 'child-started') || talk.seen.some((e) => e.type === 'asked' && e.isFromChild) || null;
      return { isSeen, detail: isSeen ? 'a sub-agent was told' : 'the model used none' };
    },
  ],
];

/** Only the driver's own word that it cannot is a sight; of a login or a network it says nothing. */
function notTold(error: unknown): Pick<Observation, 'isSeen' | 'detail'> {
  const { code, message } = toAppError(error);
  return { isSeen: code === 'unsupported' ? false : null, detail: message };
}

/**
 * Uses an agent program as an attempt would, and says what it is seen to do of what its driver declares: each declared
 * capability by one check, with the model that is configured. What a check cannot tell is not guessed.
 * @param directory an empty one
 */
export async function observeCapabilities(backend: Backend, directory: string): Promise<readonly Observation[]> {
  const isDeclared = (capability: Capability): boolean => backend.capabilities[capability];
  const observations: Observation[] = [];
  const note = async (capability: Capability, check: () => ReturnType<Check>): Promise<void> => {
    if (!isDeclared(capability)) return;
    observations.push({ capability, ...(await check().catch(notTold)) });
  };
  let nativeId: string;
  {
    await using talk = await Talk.open(backend, specIn(directory, { type: 'new' }));
    ({ nativeId } = talk.session);
    for (const [capability, check] of IN_SESSION) await note(capability, () => check(talk));
  }
  for (const [capability, type, word] of [
    ['resume', 'resume', 'resumed'],
    ['fork', 'fork', 'forked'],
  ] as const) {
    await note(capability, async () => {
      await using talk = await Talk.open(backend, specIn(directory, { type, nativeId }));
      const { origin } = talk.session;
      if (origin.type === 'new-instead') return { isSeen: false, detail: `a new session: ${origin.reason}` };
      return { isSeen: origin.type === word, detail: `${origin.type} session` };
    });
  }
  return observations;
}

function specIn(directory: string, from: OpenSpec['from']): OpenSpec {
  const ask = Object.fromEntries(PROFILE_TOOLS.map((tool) => [tool, 'ask'])) as Record<ProfileTool, 'ask'>;
  return {
    sessionId: newId('sess', Date.now()),
    attemptId: null,
    title: 'gantry doctor --conformance',
    directory,
    project: { id: 'doctor', path: directory, isTrusted: false },
    profile: { id: 'doctor-conformance', tools: { ...ask, question: 'allow' } },
    model: null,
    env: {},
    mcp: {},
    instructions: null,
    from,
    limitMs: LIMIT_MS,
    signal: AbortSignal.timeout(LIMIT_MS),
  };
}
