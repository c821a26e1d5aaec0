import {
  type AnyMessage,
  type ClientContext,
  client,
  type InitializeResponse,
  PROTOCOL_VERSION,
  type PromptResponse,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
} from '@agentclientprotocol/sdk/unstable';
import { type Deferred, deferred } from '../../base/wait.ts';
import type { Failure } from '../../contract/failure.ts';
import type { HostProcess, Line } from '../../hosts/host.ts';
import { MAX_LINE_BYTES, Update, UpdateMessage } from './wire.ts';

/** Lines that could not be read, after which nothing that the program says is trusted any more. */
const MAX_BAD_LINES = 20;

export type Listener = {
  readonly update: (update: Update, sessionId: string) => void;
  readonly permission: (
    request: RequestPermissionRequest,
    signal: AbortSignal,
  ) => Promise<RequestPermissionResponse['outcome']>;
  readonly notice: (text: string) => void;
};

/**
 * One conversation over a program's stdio. The SDK numbers requests and checks their shapes; lines are read here, so that
 * they are bounded and updates are seen in the order of the wire, before the answer that follows them.
 */
export class Connection {
  readonly agent: ClientContext;
  /** Resolves when the program says no more; the failure is null if it was not its words that ended it. */
  readonly ended: Promise<Failure | null>;
  readonly #process: HostProcess;
  readonly #listener: Listener;
  readonly #prompts: Deferred<boolean>[] = [];
  #badLines = 0;

  constructor(process: HostProcess, listener: Listener) {
    this.#process = process;
    this.#listener = listener;
    const fault = deferred<Failure | null>();
    const messages = this.#read(fault);
    const app = client({ name: 'gantry' }).onRequest('session/request_permission', async ({ params, signal }) => ({
      outcome: await listener.permission(params, signal),
    }));
    const connection = app.connect({
      readable: new ReadableStream<AnyMessage>(
        {
          pull: async (controller) => {
            const { value, done } = await messages.next();
            if (done) controller.close();
            else controller.enqueue(value);
          },
        },
        // Nothing is read before it is asked for.
        { highWaterMark: 0 },
      ),
      writable: new WritableStream<AnyMessage>({ write: (message) => this.#write(message) }),
    });
    this.agent = connection.agent;
    this.ended = fault.promise;
  }

  /** Files and terminals of the client are not offered: an agent works with its own, in the workspace that it was given. */
  initialize(): Promise<InitializeResponse> {
    return this.agent.request('initialize', {
      protocolVersion: PROTOCOL_VERSION,
      clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
      clientInfo: { name: 'gantry', title: 'Gantry', version: '1' },
    });
  }

  /** `taken`: whether the program's input has taken the prompt; the protocol has no other receipt. */
  prompt(
    sessionId: string,
    text: string,
  ): { readonly taken: Promise<boolean>; readonly answer: Promise<PromptResponse> } {
    const taken = deferred<boolean>();
    this.#prompts.push(taken);
    const answer = this.agent.request('session/prompt', { sessionId, prompt: [{ type: 'text', text }] });
    answer.catch(() => taken.resolve(false));
    return { taken: taken.promise, answer };
  }

  async #write(message: AnyMessage): Promise<void> {
    const isTaken = await this.#process.write(`${JSON.stringify(message)}\n`);
    if ('method' in message && message.method === 'session/prompt') this.#prompts.shift()?.resolve(isTaken);
  }

  async *#read(fault: Deferred<Failure | null>): AsyncGenerator<AnyMessage, void, undefined> {
    try {
      for await (const line of this.#process.lines) {
        const message = this.#parse(line);
        if (this.#badLines > MAX_BAD_LINES) {
          const words = `the agent program sent more than ${MAX_BAD_LINES} lines that cannot be read`;
          fault.resolve({ class: 'protocol', message: words, resetAt: null });
          return;
        }
        if (message !== null && !this.#takeUpdate(message)) yield message;
      }
    } finally {
      fault.resolve(null);
    }
  }

  #parse(line: Line): AnyMessage | null {
    const bad = (why: string): null => {
      this.#badLines += 1;
      this.#listener.notice(why);
      return null;
    };
    if (line.isTruncated) {
      return bad(`a line of ${line.bytes} bytes from the agent program was dropped: the limit is ${MAX_LINE_BYTES}`);
    }
    if (line.text.trim() === '') return null;
    try {
      const value: unknown = JSON.parse(line.text);
      // The SDK answers what is an object and not a message.
      if (typeof value === 'object' && value !== null) return value as AnyMessage;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    return bad(`the agent program sent a line that is no message: ${line.text.slice(0, 200)}`);
  }

  /** @returns whether the message was an update */
  #takeUpdate(message: AnyMessage): boolean {
    const notification = UpdateMessage.safeParse(message);
    if (!notification.success) return false;
    const { sessionId, update } = notification.data.params;
    // Kinds that are not read here, among them those of a newer protocol, are no fault.
    const known = Update.safeParse(update);
    if (known.success) this.#listener.update(known.data, sessionId);
    return true;
  }
}
