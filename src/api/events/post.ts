import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { AppError, toAppError } from '../../contract/errors.ts';
import type { Events, IncomingEvent, RecordedEvent, Sender } from '../../engine/observations/events.ts';
import { type DecodedEvent, decodeEvent, type EventRules } from '../../ingest/event.ts';
import { hookEvent } from '../../ingest/hook.ts';
import { parseJson } from '../../ingest/json.ts';
import { eventProblem } from './answer.ts';

export type PostLimits = {
  readonly maxBodyBytes: number;
  readonly maxDepth: number;
  readonly maxBatch: number;
};

export type PostParts = {
  readonly events: Events;
  readonly rules: Omit<EventRules, 'now'>;
  readonly limits: PostLimits;
  readonly now: () => number;
  /** So many events are durable. */
  readonly onTaken: (count: number) => void;
};

const NDJSON = /^application\/(?:x-)?ndjson *(?:;|$)/i;
const JSON_TYPE = /^application\/json *(?:;|$)/i;
/** Bytes of bodies that are read at the same time: back-pressure is an answer, never memory. */
const MAX_READING_BYTES = 64_000_000;

/** Who sends, with which key, and the only app that it may report for. */
type Sent = { readonly sender: Sender; readonly key: string | null; readonly limitTo: string | null };
type Body = { readonly text: string; readonly isLines: boolean };

/** Takes events: one object, an array of them, or one per line. */
export class EventPost {
  readonly #parts: PostParts;
  #readingBytes = 0;

  constructor(parts: PostParts) {
    this.#parts = parts;
  }

  /**
   * Resolves with the answer's JSON once everything in it is durable.
   * @throws AppError bad_request, too_large, unsupported_media_type, overloaded, disk_full
   */
  async take(incoming: IncomingMessage, sender: Sender, limitTo: string | null): Promise<string> {
    const { text, isLines } = await this.#read(incoming);
    return await this.#takeText(text, { isLines, sender, limitTo, key: keyOf(incoming) });
  }

  /** The same of a body of JSON that is there already, without a key. */
  async takeBytes(bytes: Buffer, sender: Sender, limitTo: string | null): Promise<string> {
    return await this.#takeText(textOf(bytes), { isLines: false, sender, limitTo, key: null });
  }

  async #takeText(
    text: string,
    { isLines, sender, limitTo, key }: Sent & { readonly isLines: boolean },
  ): Promise<string> {
    if (isLines) return await this.#many(this.#linesOf(text), text, { sender, key, limitTo });
    const value = this.#parse(text);
    if (Array.isArray(value)) return await this.#many(value, text, { sender, key, limitTo });
    const event = this.#decode(value, !this.#parts.rules.mask.mayHold(text), limitTo);
    const [recorded] = await this.#record([event], sender, key);
    return recorded?.json ?? '{}';
  }

  /** A hook's own JSON: its type is in it, the app is told beside it. */
  async takeHook(incoming: IncomingMessage, sender: Sender, source: string, limitTo: string | null): Promise<string> {
    const { text } = await this.#read(incoming);
    const event = hookEvent(this.#parse(text), source);
    const isClean = !this.#parts.rules.mask.mayHold(text);
    await this.#record([this.#decode(event, isClean, limitTo)], sender, keyOf(incoming));
    // What a hook of Claude Code answers decides about the call: an empty object decides nothing.
    return '{}';
  }

  /** @throws AppError bad_request */
  async readObject(incoming: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
    const value = this.#parse((await this.#read(incoming)).text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    throw new AppError('bad_request', 'Invalid request: expected a JSON object');
  }

  async #many(items: readonly unknown[], text: string, { sender, key, limitTo }: Sent): Promise<string> {
    const { maxBatch } = this.#parts.limits;
    if (items.length > maxBatch) throw new AppError('too_large', `${items.length} events at once, at most ${maxBatch}`);
    if (items.length === 0) throw new AppError('bad_request', 'Invalid request: there is no event in it');
    const isClean = !this.#parts.rules.mask.mayHold(text);
    const accepted: { readonly index: number; readonly event: DecodedEvent }[] = [];
    const rejected: { readonly index: number; readonly error: object }[] = [];
    items.forEach((item, index) => {
      try {
        const value = item instanceof Line ? this.#parse(item.text) : item;
        accepted.push({ index, event: this.#decode(value, isClean, limitTo) });
      } catch (error) {
        rejected.push({ index, error: eventProblem(toAppError(error)) });
      }
    });
    if (accepted.length === 0) {
      throw new AppError('bad_request', 'Invalid request: none of the events can be accepted', {
        details: { rejected },
      });
    }
    const indexes = accepted.map(({ index }) => index);
    const recorded = await this.#record(
      accepted.map(({ event }) => event),
      sender,
      key,
      indexes,
    );
    return JSON.stringify({ accepted: recorded.length, ids: recorded.map(({ id }) => id), rejected });
  }

  /** The lines that say something. @throws AppError too_large once there are too many, without looking at the rest */
  #linesOf(text: string): readonly Line[] {
    const { maxBatch } = this.#parts.limits;
    const lines: Line[] = [];
    for (let start = 0; start < text.length; ) {
      const next = text.indexOf('\n', start);
      const end = next < 0 ? text.length : next;
      const line = text.slice(start, end);
      start = end + 1;
      if (line.trim() === '') continue;
      if (lines.length === maxBatch) throw new AppError('too_large', `more than ${maxBatch} events at once`);
      lines.push(new Line(line));
    }
    return lines;
  }

  #decode(value: unknown, isClean: boolean, limitTo: string | null): DecodedEvent {
    const event = decodeEvent(value, { ...this.#parts.rules, now: this.#parts.now() }, isClean);
    if (limitTo === null || event.source === limitTo) return event;
    throw new AppError('forbidden', `the token reports only for the source_app ${JSON.stringify(limitTo)}`);
  }

  async #record(
    events: readonly DecodedEvent[],
    sender: Sender,
    key: string | null,
    indexes: readonly number[] = [0],
  ): Promise<readonly RecordedEvent[]> {
    const incoming = events.map((event, i): IncomingEvent => {
      const own = event.eventId === null ? null : `event ${event.eventId}`;
      return { ...event, key: key === null ? own : `header ${key} ${indexes[i] ?? i}` };
    });
    const recorded = await this.#parts.events.observe(incoming, sender);
    this.#parts.onTaken(recorded.length);
    return recorded;
  }

  #parse(text: string): unknown {
    return parseJson(text, this.#parts.limits.maxDepth);
  }

  async #read(incoming: IncomingMessage): Promise<Body> {
    const { headers } = incoming;
    const type = headers['content-type'] ?? '';
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') {
      throw new AppError('unsupported_media_type', `the body must not be encoded (${encoding})`);
    }
    const isLines = NDJSON.test(type);
    // A page of another origin can send a form without asking; JSON it cannot.
    if (headers.origin !== undefined && !isLines && !JSON_TYPE.test(type)) {
      throw new AppError('unsupported_media_type', 'the body must be application/json or application/x-ndjson');
    }
    return { text: textOf(await this.#bytes(incoming)), isLines };
  }

  #bytes(incoming: IncomingMessage): Promise<Buffer> {
    const { maxBodyBytes } = this.#parts.limits;
    const tooLarge = (): AppError => new AppError('too_large', `the body is larger than ${maxBodyBytes} bytes`);
    if (Number(incoming.headers['content-length'] ?? 0) > maxBodyBytes) return Promise.reject(tooLarge());
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let length = 0;
      let isEnded = false;
      const end = (error: AppError | null): void => {
        if (isEnded) return;
        isEnded = true;
        incoming.removeAllListeners('data');
        this.#readingBytes -= length;
        if (error === null) resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
        else reject(error);
      };
      incoming.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        this.#readingBytes += chunk.length;
        if (length > maxBodyBytes) end(tooLarge());
        else if (this.#readingBytes > MAX_READING_BYTES) end(new AppError('overloaded', 'too many bodies at once'));
      });
      incoming.once('end', () => end(null));
      incoming.once('aborted', () => end(new AppError('bad_request', 'the body ended too early')));
      incoming.once('error', () => end(new AppError('bad_request', 'the body ended too early')));
    });
  }
}

/** A line that is still to be parsed: a bad one does not spoil the others. */
class Line {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new AppError('bad_request', 'the body is not UTF-8');
  return bytes.toString('utf8');
}

function keyOf({ headers }: IncomingMessage): string | null {
  const key = headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key === 'string' && /^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw new AppError('bad_request', 'an Idempotency-Key is 1 to 255 visible ASCII characters');
}
