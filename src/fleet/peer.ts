import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { type Deferred, deferred } from '../base/wait.ts';
import { AppError, ERRORS, type ErrorCode, toAppError } from '../contract/errors.ts';
import type { Link } from './link.ts';
import type { Packed } from './wire.ts';
import { Body, CALLS, type CallName, type Input, type Output, type RemoteEvent } from './wire.ts';

/** Of a blob, in one message: bytes. */
const CHUNK_BYTES = 512 * 1024;
const MAX_BLOB_BYTES = 512 * 1024 * 1024;

export type Served = { readonly output: unknown; readonly blob?: Buffer };

export type PeerParts = {
  /** What the other side may ask for; null: nothing. */
  readonly serve: (<N extends CallName>(name: N, input: Input<N>, more: Given) => Promise<Served>) | null;
  readonly onEvent: (event: RemoteWord) => void;
};

export type Given = { readonly blob: Buffer | null; readonly signal: AbortSignal };

/** What a session on the other side tells; `pack` and `blob`: what its checkout holds by then, if that is new. */
export type RemoteWord = {
  readonly session: string;
  readonly event: z.infer<typeof RemoteEvent>;
  readonly pack: z.infer<typeof Packed> | null;
  /** Why what the checkout holds does not come along, in words. */
  readonly fault: string | null;
  readonly blob: Buffer | null;
};

type Asked = { readonly answer: Deferred<Served>; readonly onOutput: (output: unknown) => void };

/** Calls, answers and events over a link, with large attachments in parts. */
export class Peer {
  readonly #link: Pick<Link, 'send' | 'drained'>;
  readonly #parts: PeerParts;
  readonly #open = new Map<number, Asked>();
  readonly #serving = new Map<number, AbortController>();
  readonly #blobs = new Map<string, Buffer[]>();
  #blobBytes = 0;
  #calls = 0;
  #fault: AppError | null = null;

  constructor(link: Pick<Link, 'send' | 'drained'>, parts: PeerParts) {
    this.#link = link;
    this.#parts = parts;
  }

  /**
   * `onOutput` has the answer before whatever the other side says next.
   * @throws AppError what the other side throws; `cancelled` by the signal; the fault that the peer was closed with
   */
  async call<N extends CallName>(
    name: N,
    input: Input<N>,
    more: {
      readonly blob?: Buffer;
      readonly signal?: AbortSignal;
      readonly onOutput?: (output: Output<N>) => void;
    } = {},
  ): Promise<{ readonly output: Output<N>; readonly blob: Buffer | null }> {
    this.#calls += 1;
    const id = this.#calls;
    const answer = deferred<Served>();
    let output: Output<N> | undefined;
    const onOutput = (given: unknown): void => {
      output = CALLS[name].output.parse(given) as Output<N>;
      more.onOutput?.(output);
    };
    this.#open.set(id, { answer, onOutput });
    const cancel = (): void => this.#send({ type: 'cancel', id });
    try {
      const blob = await this.#sendBlob(more.blob ?? null);
      if (more.signal?.aborted) throw new AppError('cancelled', `${name} was cancelled`);
      more.signal?.addEventListener('abort', cancel, { once: true });
      this.#send({ type: 'call', id, name, input, blob });
      const { blob: got = null } = await answer.promise;
      return { output: output as Output<N>, blob: got };
    } finally {
      more.signal?.removeEventListener('abort', cancel);
      this.#open.delete(id);
    }
  }

  /** Tells what a session said. Words of one session are told one after another. */
  async tell({ blob, ...word }: RemoteWord): Promise<void> {
    this.#send({ type: 'event', ...word, blob: await this.#sendBlob(blob) });
  }

  /** A message of the link. @throws AppError `bad_request` for one that nobody may send */
  readonly take = (message: unknown): void => {
    const body = Body.safeParse(message);
    if (!body.success) throw new AppError('bad_request', `a message that is none: ${body.error.message.slice(0, 500)}`);
    this.#act(body.data);
  };

  /** Nothing comes any more: what is open fails, what is served is cancelled. */
  close(fault: AppError): void {
    this.#fault = fault;
    for (const { answer } of this.#open.values()) answer.reject(fault);
    for (const controller of this.#serving.values()) controller.abort();
    this.#blobs.clear();
  }

  #act(body: Body): void {
    switch (body.type) {
      case 'chunk':
        this.#keep(body.blob, Buffer.from(body.data, 'base64'));
        break;
      case 'call':
        if (this.#parts.serve === null) throw new AppError('forbidden', `the other side may not ask for ${body.name}`);
        void this.#answer(body, this.#parts.serve);
        break;
      case 'cancel':
        this.#serving.get(body.id)?.abort();
        break;
      case 'result': {
        const blob = this.#blobOf(body.blob);
        const asked = this.#open.get(body.id);
        asked?.onOutput(body.output);
        asked?.answer.resolve({ output: body.output, ...(blob !== null && { blob }) });
        break;
      }
      case 'error': {
        const code = body.code in ERRORS ? (body.code as ErrorCode) : 'internal';
        this.#open.get(body.id)?.answer.reject(new AppError(code, body.message));
        break;
      }
      case 'event': {
        const { type: _, blob, ...word } = body;
        this.#parts.onEvent({ ...word, blob: this.#blobOf(blob) });
        break;
      }
      default:
        body satisfies never;
    }
  }

  async #answer(call: Extract<Body, { type: 'call' }>, serve: NonNullable<PeerParts['serve']>): Promise<void> {
    const controller = new AbortController();
    this.#serving.set(call.id, controller);
    try {
      const blob = this.#blobOf(call.blob);
      const input = CALLS[call.name].input.safeParse(call.input);
      if (!input.success) throw new AppError('bad_request', `${call.name}: ${input.error.message.slice(0, 500)}`);
      const served = await serve(call.name, input.data, { blob, signal: controller.signal });
      const sent = await this.#sendBlob(served.blob ?? null);
      this.#send({ type: 'result', id: call.id, output: served.output, blob: sent });
    } catch (error) {
      this.#refuse(call.id, toAppError(error));
    } finally {
      this.#serving.delete(call.id);
    }
  }

  #refuse(id: number, { code, message }: AppError): void {
    try {
      this.#send({ type: 'error', id, code, message });
    } catch (error) {
      // Nobody is there to be told.
      if (!(error instanceof AppError)) throw error;
    }
  }

  #send(body: Body): void {
    if (this.#fault !== null) throw this.#fault;
    this.#link.send(body);
  }

  async #sendBlob(blob: Buffer | null): Promise<string | null> {
    if (blob === null) return null;
    const id = randomUUID();
    for (let at = 0; at < blob.length; at += CHUNK_BYTES) {
      await this.#link.drained();
      this.#send({ type: 'chunk', blob: id, data: blob.subarray(at, at + CHUNK_BYTES).toString('base64') });
    }
    return id;
  }

  #keep(id: string, chunk: Buffer): void {
    this.#blobBytes += chunk.length;
    if (this.#blobBytes > MAX_BLOB_BYTES) throw new AppError('too_large', `blobs of more than ${MAX_BLOB_BYTES} bytes`);
    this.#blobs.set(id, [...(this.#blobs.get(id) ?? []), chunk]);
  }

  #blobOf(id: string | null): Buffer | null {
    if (id === null) return null;
    const blob = Buffer.concat(this.#blobs.get(id) ?? []);
    this.#blobs.delete(id);
    this.#blobBytes -= blob.length;
    return blob;
  }
}
