import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { type Clock, systemClock } from '../../base/clock.ts';
import { type Deferred, deferred } from '../../base/wait.ts';
import { AppError } from '../../contract/errors.ts';
import { chatCompletions } from './chat-completions.ts';
import { answerOf, type Choice, choose } from './choose.ts';
import { messages } from './messages.ts';
import { errorType, type Fault, isUnanswered, play, sendJson } from './play.ts';
import { type LoggedRequest, RequestLog, sha256 } from './request-log.ts';
import { responses } from './responses.ts';
import { type ModelScript, type ModelScriptInput, parseScript } from './script.ts';
import type { Conversation, Wire } from './wire.ts';

const releaseSchema = z.object({ name: z.string().min(1) });
const MAX_BODY_BYTES = 64 * 1024 * 1024;
/** Long, so that no client meets a connection that is just being closed for idleness. */
const KEEP_ALIVE_MS = 600_000;
const MAX_STRIKES = 10_000;
const WIRES: Readonly<Record<string, Wire>> = {
  '/v1/chat/completions': chatCompletions,
  '/v1/responses': responses,
  '/v1/messages': messages,
};

/** A running scripted model. `<url>/v1` is the base of its APIs; Claude Code's `ANTHROPIC_BASE_URL` is `<url>`. */
export type ScriptedModel = AsyncDisposable & {
  readonly url: string;
  readonly port: number;
  /** The newest 2,000 requests, oldest first. */
  readonly requests: () => readonly LoggedRequest[];
  /** Lets the steps go on that `hold` this name, now and later. */
  readonly release: (name: string) => void;
  /** Drops every connection and stops listening; concurrent callers share one closing. */
  readonly close: () => Promise<void>;
};

/**
 * Starts the scripted model on 127.0.0.1: OpenAI's chat completions and responses and Anthropic's messages, each whole or
 * streaming, `GET /v1/models`, `GET /__log` (NDJSON of the requests) and `POST /__release {"name"}`. Which step it plays
 * comes from the request alone (see `choose`). Port 0 takes a free one.
 * @throws AppError bad_config for a bad script, port_in_use.
 */
export async function startScriptedModel(
  options: {
    readonly port?: number;
    readonly script?: ModelScriptInput;
    readonly logFile?: string;
    readonly clock?: Clock;
  } = {},
): Promise<ScriptedModel> {
  const model = new Model(parseScript(options.script ?? {}), options.logFile ?? null, options.clock ?? systemClock);
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    void model.handle(request, response);
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    throw new AppError('port_in_use', `port ${options.port} is taken`, { cause: error });
  }
  const { port } = server.address() as AddressInfo;
  let closing: Promise<unknown> | null = null;
  const close = async (): Promise<void> => {
    if (closing === null) {
      closing = once(server, 'close');
      server.close();
      server.closeAllConnections();
    }
    await closing;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests: () => model.log.all(),
    release: (name) => model.release(name),
    close,
    [Symbol.asyncDispose]: close,
  };
}

class Model {
  readonly log: RequestLog;
  readonly #script: ModelScript;
  readonly #clock: Clock;
  readonly #holds = new Map<string, Deferred<void>>();
  readonly #strikes = new Map<string, number>();
  #count = 0;

  constructor(script: ModelScript, logFile: string | null, clock: Clock) {
    this.#script = script;
    this.log = new RequestLog(logFile);
    this.#clock = clock;
  }

  release(name: string): void {
    this.#hold(name).resolve();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const pathname = pathOf(request);
    const wire = WIRES[pathname] ?? (pathname.startsWith('/v1/messages') ? messages : chatCompletions);
    const refuse = (status: number, message: string): void =>
      sendJson(response, status, wire.error({ status, type: errorType(status), message }));
    try {
      if (request.method !== 'POST') return this.#read(pathname, response, refuse);
      const body = await bodyOf(request);
      if (body === null) return refuse(413, `The body is larger than ${MAX_BODY_BYTES} bytes.`);
      if (pathname === '/__release') return this.#released(body, response, refuse);
      if (pathname === '/v1/messages/count_tokens') {
        return sendJson(response, 200, { input_tokens: Math.ceil(body.length / 4) });
      }
      await this.#answer(request, pathname, body, { response, signal: gone.signal });
    } catch (error) {
      if (response.headersSent || gone.signal.aborted) response.destroy();
      else refuse(500, error instanceof Error ? error.message : String(error));
    }
  }

  #read(pathname: string, response: ServerResponse, refuse: (status: number, message: string) => void): void {
    if (pathname === '/v1/models') {
      const model = { id: 'm1', object: 'model', type: 'model', display_name: 'Scripted model', owned_by: 'gantry' };
      sendJson(response, 200, { object: 'list', data: [{ ...model, created: 0 }], has_more: false });
    } else if (pathname === '/__log') {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      for (const entry of this.log.all()) response.write(`${JSON.stringify(entry)}\n`);
      response.end();
    } else if (pathname === '/') {
      sendJson(response, 200, { name: 'gantry scripted model' });
    } else refuse(404, `There is nothing at ${pathname}.`);
  }

  #released(body: string, response: ServerResponse, refuse: (status: number, message: string) => void): void {
    const asked = releaseSchema.safeParse(parsed(body)).data;
    if (asked) {
      this.release(asked.name);
      sendJson(response, 200, { released: asked.name });
    } else refuse(400, 'The body must be {"name": "…"}.');
  }

  async #answer(
    request: IncomingMessage,
    pathname: string,
    body: string,
    to: { readonly response: ServerResponse; readonly signal: AbortSignal },
  ): Promise<void> {
    const sessionId = headerOf(request, 'x-session-id') ?? headerOf(request, 'x-claude-code-session-id');
    const wire = WIRES[pathname];
    const conversation = wire?.read(parsed(body)) ?? null;
    const note = (played: Choice | null, status: number | null): ReturnType<RequestLog['add']> =>
      this.log.add({
        at: new Date(this.#clock.now()).toISOString(),
        endpoint: pathname,
        sessionId,
        messages: conversation?.turns.length ?? 0,
        lastUserText: conversation?.turns.findLast((turn) => turn.role === 'user')?.text ?? '',
        body,
        played,
        status,
      });
    const refuse = (status: number, message: string): void => {
      note(null, status)('whole');
      const error = { status, type: errorType(status), message };
      sendJson(to.response, status, (wire ?? chatCompletions).error(error));
    };
    if (!wire) return refuse(404, `There is nothing at ${pathname}.`);
    if (!conversation) return refuse(400, `The body is no request of ${pathname}.`);
    const choice = choose(this.#script, conversation);
    if ('faults' in choice) return refuse(400, `The script in the prompt is not valid: ${choice.faults.join('; ')}`);

    const { isStream } = conversation;
    const fault = this.#strike(choice, sessionId ?? sha256(body), conversation);
    this.#count += 1;
    const id = `${sha256(body).slice(0, 12)}${this.#count}`;
    const answer = answerOf(choice.step, conversation, { id, nowMs: this.#clock.now(), requestChars: body.length });
    const isUnheard = isUnanswered(answer, { isStream, fault });
    const end = note(choice, isUnheard ? null : ((fault === 'error' ? choice.step.error?.status : null) ?? 200));
    const released = choice.step.hold === undefined ? Promise.resolve() : this.#hold(choice.step.hold).promise;
    end(await play(choice.step, answer, released, { wire, clock: this.#clock, isStream, fault, ...to }));
  }

  #hold(name: string): Deferred<void> {
    const hold = this.#holds.get(name) ?? deferred<void>();
    this.#holds.set(name, hold);
    return hold;
  }

  /** The fault that strikes now: a counted one strikes the first requests of this step in this conversation. */
  #strike({ step, source, index }: Choice, session: string, { turns }: Conversation): Fault {
    const name = step.error ? 'error' : step.hang ? 'hang' : step.cut ? 'cut' : null;
    const fault = name === null ? undefined : step[name];
    if (name === null || fault === undefined || fault === true || fault.times === undefined) return name;
    const key = `${session} ${source} ${turns.length} ${index}`;
    const strikes = (this.#strikes.get(key) ?? 0) + 1;
    this.#strikes.set(key, strikes);
    if (this.#strikes.size > MAX_STRIKES) this.#strikes.delete(this.#strikes.keys().next().value ?? '');
    return strikes <= fault.times ? name : null;
  }
}

const pathOf = (request: IncomingMessage): string => URL.parse(request.url ?? '/', 'http://localhost')?.pathname ?? '';

const headerOf = (request: IncomingMessage, name: string): string | null => {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : null;
};

/** Null if the body is too large; it is read to its end, or the client would not read the answer. */
async function bodyOf(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return bytes <= MAX_BODY_BYTES ? Buffer.concat(chunks).toString('utf8') : null;
}

/** Undefined for what is not JSON. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
