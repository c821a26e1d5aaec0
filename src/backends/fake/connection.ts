import { type Deferred, deferred, within } from '../../base/wait.ts';
import { AppError } from '../../contract/errors.ts';
import type { Failure } from '../../contract/failure.ts';
import type { TranscriptItem } from '../../contract/session.ts';
import type { HostProcess, Line } from '../../hosts/host.ts';
import { AgentFrame, type DriverFrame } from './wire.ts';

type FrameOf<T extends AgentFrame['type']> = Extract<AgentFrame, { type: T }>;
export type Hello = FrameOf<'hello'>;
export type EventFrame = FrameOf<'event'>;
export type Reply = FrameOf<'reply'> & { readonly items: readonly TranscriptItem[] };

/** A request as its sender writes it: the connection numbers it. */
type Request = {
  [T in DriverFrame['type']]: Omit<Extract<DriverFrame, { type: T; id: number }>, 'id'>;
}['prompt' | 'answer' | 'interrupt' | 'transcript'];

/** Longest line that is taken; of a longer one nothing is. */
export const MAX_LINE_BYTES = 10 * 1024 * 1024;
/** Lines that could not be read, after which nothing that the program says is trusted any more. */
const MAX_BAD_LINES = 20;
const REPLY_LIMIT_MS = 30_000;

/** Both directions of the protocol with one agent program: frames out, replies by number, events in order. */
export class Connection {
  readonly hello: Promise<Hello>;
  readonly #process: HostProcess;
  readonly #hello = deferred<Hello>();
  readonly #waiting = new Map<number, { readonly items: TranscriptItem[]; readonly reply: Deferred<Reply> }>();
  #requests = 0;
  #badLines = 0;
  #isOver = false;

  constructor(process: HostProcess) {
    this.#process = process;
    this.hello = this.#hello.promise;
  }

  /**
   * Reads until the program says no more. The failure is null, if it was not the program's words that ended it.
   * Requests without a reply are answered with `backend_failed` then.
   */
  async read(on: {
    readonly event: (frame: EventFrame) => void;
    readonly notice: (text: string) => void;
  }): Promise<Failure | null> {
    try {
      for await (const line of this.#process.lines) {
        const frame = this.#parse(line, on.notice);
        if (frame) this.#take(frame, on.event);
        else if (this.#badLines > MAX_BAD_LINES) {
          const message = `the agent program sent more than ${MAX_BAD_LINES} lines that cannot be read`;
          return { class: 'protocol', message, resetAt: null };
        }
      }
      return null;
    } finally {
      this.#isOver = true;
      for (const { reply } of this.#waiting.values()) reply.reject(gone());
      this.#waiting.clear();
    }
  }

  /** @throws AppError `backend_failed` if the program ends first, `timeout`. */
  async request(request: Request): Promise<Reply> {
    if (this.#isOver) throw gone();
    this.#requests += 1;
    const id = this.#requests;
    const reply = deferred<Reply>();
    this.#waiting.set(id, { items: [], reply });
    try {
      this.send({ ...request, id });
      return await within(reply.promise, REPLY_LIMIT_MS, () => {
        return new AppError('timeout', `the agent program did not answer "${request.type}" in ${REPLY_LIMIT_MS} ms`);
      });
    } finally {
      this.#waiting.delete(id);
    }
  }

  /** Not waited for: a program that no longer reads is noticed by its end, or by the reply that does not come. */
  send(frame: DriverFrame): void {
    void this.#process.write(`${JSON.stringify(frame)}\n`);
  }

  #parse(line: Line, notice: (text: string) => void): AgentFrame | null {
    const bad = (why: string): null => {
      this.#badLines += 1;
      notice(why);
      return null;
    };
    if (line.isTruncated) {
      return bad(`a line of ${line.bytes} bytes from the agent program was dropped: the limit is ${MAX_LINE_BYTES}`);
    }
    const frame = AgentFrame.safeParse(jsonOf(line.text));
    if (frame.success) return frame.data;
    return bad(`the agent program sent a line that cannot be read: ${line.text.slice(0, 200)}`);
  }

  #take(frame: AgentFrame, onEvent: (frame: EventFrame) => void): void {
    switch (frame.type) {
      case 'hello':
        this.#hello.resolve(frame);
        break;
      case 'event':
        onEvent(frame);
        break;
      case 'item':
        this.#waiting.get(frame.to)?.items.push(frame.item);
        break;
      case 'reply': {
        const waiting = this.#waiting.get(frame.to);
        waiting?.reply.resolve({ ...frame, items: waiting.items });
        break;
      }
      default:
        frame satisfies never;
    }
  }
}

const gone = (): AppError => new AppError('backend_failed', 'the agent program has ended');

/** Undefined for what is not JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
