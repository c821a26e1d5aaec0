import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Choice } from './choose.ts';
import type { Ending } from './play.ts';

/** One request to the scripted model, recorded when its answer was decided on. */
export type LoggedRequest = {
  /** UTC, ISO 8601. */
  readonly at: string;
  readonly endpoint: string;
  /** OpenCode's or Claude Code's own session id, from the request's headers. */
  readonly sessionId: string | null;
  /** SHA-256 of the body, hex. */
  readonly sha256: string;
  readonly messages: number;
  readonly lastUserText: string;
  /** The body as it came, cut at 1 MB; null in memory once newer bodies took the room (64 MB). */
  readonly body: string | null;
  readonly played: Choice | null;
  /** The status of the answer; null for a request that gets none. */
  readonly status: number | null;
  /** How the answer ended; null while it is being given. In memory only. */
  readonly ending: Ending | null;
};

const KEPT_REQUESTS = 2_000;
const KEPT_BODIES_CHARS = 64_000_000;
const BODY_CHARS = 1_000_000;
const TEXT_CHARS = 20_000;

type Mutable = { -readonly [key in keyof LoggedRequest]: LoggedRequest[key] };

/** The newest requests in memory, and every one as a line of `file`. */
export class RequestLog {
  readonly #file: string | null;
  #kept: Mutable[] = [];
  #bodyChars = 0;

  constructor(file: string | null) {
    this.#file = file;
    if (file !== null) mkdirSync(dirname(file), { recursive: true });
  }

  all(): readonly LoggedRequest[] {
    return this.#kept.map((request) => ({ ...request }));
  }

  /** The answer takes the ending of the request. */
  add(request: Omit<LoggedRequest, 'sha256' | 'ending'> & { readonly body: string }): (ending: Ending) => void {
    const entry: Mutable = {
      ...request,
      sha256: sha256(request.body),
      body: start(request.body, BODY_CHARS),
      lastUserText: start(request.lastUserText, TEXT_CHARS),
      ending: null,
    };
    if (this.#file !== null) appendFileSync(this.#file, `${JSON.stringify({ ...entry, ending: undefined })}\n`);
    this.#kept.push(entry);
    this.#bodyChars += entry.body?.length ?? 0;
    this.#trim();
    return (ending) => {
      entry.ending = ending;
    };
  }

  #trim(): void {
    if (this.#kept.length > KEPT_REQUESTS) this.#forgetBody(this.#kept.shift());
    for (let i = 0; this.#bodyChars > KEPT_BODIES_CHARS; i += 1) this.#forgetBody(this.#kept[i]);
  }

  #forgetBody(entry: Mutable | undefined): void {
    if (!entry) return;
    this.#bodyChars -= entry.body?.length ?? 0;
    entry.body = null;
  }
}

/** A copy: a slice would keep the whole text in memory. */
const start = (text: string, chars: number): string =>
  text.length <= chars ? text : Buffer.from(text.slice(0, chars)).toString();

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
