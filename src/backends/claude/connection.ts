import { ZodError } from 'zod';
import { type Deferred, deferred, within } from '../../base/wait.ts';
import { AppError } from '../../contract/errors.ts';
import type { Failure } from '../../contract/failure.ts';
import type { HostProcess, Line } from '../../hosts/host.ts';
import { decode, type NativeLine } from './decode.ts';

/** Longest line that is taken; of a longer one nothing is. */
export const MAX_LINE_BYTES = 10 * 1024 * 1024;
/** Lines that could not be read, after which nothing that the program says is trusted any more. */
const MAX_BAD_LINES = 20;
export const REPLY_LIMIT_MS = 60_000;

/** Both directions of Claude Code's stream-json protocol: its lines in order, and the answers to our control requests. */
export class Connection {
  readonly #process: HostProcess;
  readonly #waiting = new Map<string, Deferred<unknown>>();
  #requests = 0;
  #badLines = 0;
  #isOver = false;

  constructor(process: HostProcess) {
    this.#process = process;
  }

  /** The program says no more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Reads until the program says no more. The failure is null, if it was not the program's words that ended it.
   * Requests without an answer get `backend_failed` then.
   */
  async read(take: (line: NativeLine) => void, notice: (text: string) => void): Promise<Failure | null> {
    try {
      for await (const raw of this.#process.lines) {
        const line = this.#decode(raw, notice);
        if (line?.type === 'answer') this.#answered(line);
        else if (line) take(line);
        else if (this.#badLines > MAX_BAD_LINES) {
          const message = `Claude Code sent more than ${MAX_BAD_LINES} lines that cannot be read`;
          return { class: 'protocol', message, resetAt: null };
        }
      }
      return null;
    } finally {
      this.#isOver = true;
      for (const waiting of this.#waiting.values()) waiting.reject(gone());
      this.#waiting.clear();
    }
  }

  /**
   * A control request. @returns its answer
   * @throws AppError `backend_failed` if the program ends first or refuses it, `timeout`
   */
  async request(
    request: { readonly subtype: string; readonly [field: string]: unknown },
    limitMs: number,
  ): Promise<unknown> {
    if (this.#isOver) throw gone();
    this.#requests += 1;
    const id = `gantry-${this.#requests}`;
    const answer = deferred<unknown>();
    this.#waiting.set(id, answer);
    try {
      this.send({ type: 'control_request', request_id: id, request });
      return await within(answer.promise, limitMs, () => {
        return new AppError('timeout', `Claude Code did not answer "${request.subtype}" in ${limitMs} ms`);
      });
    } finally {
      this.#waiting.delete(id);
    }
  }

  /** The answer to a request of the program. */
  reply(requestId: string, response: object): void {
    this.send({ type: 'control_response', response: { subtype: 'success', request_id: requestId, response } });
  }

  refuse(requestId: string, error: string): void {
    this.send({ type: 'control_response', response: { subtype: 'error', request_id: requestId, error } });
  }

  /** Not waited for: a program that no longer reads is noticed by its end, or by the answer that does not come. */
  send(line: object): void {
    void this.#process.write(`${JSON.stringify(line)}\n`);
  }

  #answered({ requestId, value, error }: Extract<NativeLine, { type: 'answer' }>): void {
    const waiting = this.#waiting.get(requestId);
    if (error === null) waiting?.resolve(value);
    else waiting?.reject(new AppError('backend_failed', `Claude Code refused: ${error}`));
  }

  #decode(line: Line, notice: (text: string) => void): NativeLine | null {
    const bad = (why: string): null => {
      this.#badLines += 1;
      notice(why);
      return null;
    };
    if (line.isTruncated) {
      return bad(`a line of ${line.bytes} bytes from Claude Code was dropped: the limit is ${MAX_LINE_BYTES}`);
    }
    try {
      const value: unknown = JSON.parse(line.text);
      if (typeof value === 'object' && value !== null) return decode(value as Record<string, unknown>);
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof ZodError)) throw error;
    }
    return bad(`Claude Code sent a line that cannot be read: ${line.text.slice(0, 200)}`);
  }
}

const gone = (): AppError => new AppError('backend_failed', 'Claude Code has ended');
