import type { Readable } from 'node:stream';
import { pause } from '../base/wait.ts';

/** One line without its end (`\n` or `\r\n`). */
export type Line = {
  readonly text: string;
  /** The line was longer than the bound: `text` is its beginning, the rest is gone. */
  readonly isTruncated: boolean;
  /** Length of the whole line on the wire, without its end. */
  readonly bytes: number;
};

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Silence after which the output of an ended program is over, though some descendant still holds the pipe. */
const SILENCE_MS = 500;

/**
 * The lines of a stream; the reader sets the pace. Of a line over `maxBytes` no more than that is ever kept.
 * Leaving early lets the rest of the stream run into nothing, so that its writer is not held up.
 */
export function readLines(
  stream: Readable,
  maxBytes: number,
  writerEnded: Promise<unknown>,
): AsyncGenerator<Line, void, undefined> {
  return splitLines(readChunks(stream, writerEnded), new LineBuffer(maxBytes));
}

/**
 * The stream's chunks, until it ends, breaks, or stays silent after `writerEnded`.
 * Listens from the call on: Node empties a child's pipes at its end if nobody does.
 */
export function readChunks(stream: Readable, writerEnded: Promise<unknown>): AsyncGenerator<Buffer, void, undefined> {
  const state = { isOver: false, isWriterGone: false, wake: (): void => undefined };
  const onOver = (): void => {
    state.isOver = true;
    state.wake();
  };
  stream.on('readable', () => state.wake());
  stream.on('end', onOver).on('close', onOver).on('error', onOver);
  void writerEnded.then(() => {
    state.isWriterGone = true;
    state.wake();
  });
  return pull(stream, state);
}

async function* pull(
  stream: Readable,
  state: { readonly isOver: boolean; readonly isWriterGone: boolean; wake: () => void },
): AsyncGenerator<Buffer, void, undefined> {
  try {
    for (;;) {
      const change = new Promise<void>((resolve) => {
        state.wake = resolve;
      });
      const chunk: Buffer | null = stream.read();
      if (chunk !== null) yield chunk;
      else if (state.isOver || stream.readableEnded || stream.destroyed) return;
      else if (!state.isWriterGone) await change;
      else if (await isSilent(change)) return;
    }
  } finally {
    stream.removeAllListeners('readable');
    stream.resume();
  }
}

async function* splitLines(chunks: AsyncIterable<Buffer>, line: LineBuffer): AsyncGenerator<Line, void, undefined> {
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      line.add(chunk.subarray(from, at));
      yield line.take();
      from = at + 1;
    }
    line.add(chunk.subarray(from));
  }
  if (!line.isEmpty) yield line.take();
}

async function isSilent(change: Promise<void>): Promise<boolean> {
  const woken = new AbortController();
  void change.then(() => woken.abort());
  return (await pause(SILENCE_MS, woken.signal)) === 'elapsed';
}

class LineBuffer {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #kept = 0;
  #bytes = 0;
  #lastByte = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  add(part: Buffer): void {
    if (part.length === 0) return;
    this.#bytes += part.length;
    this.#lastByte = part.at(-1) ?? 0;
    const room = this.#maxBytes - this.#kept;
    if (room <= 0) return;
    this.#parts.push(part.subarray(0, room));
    this.#kept += Math.min(room, part.length);
  }

  take(): Line {
    const bytes = this.#lastByte === RETURN ? this.#bytes - 1 : this.#bytes;
    const isTruncated = bytes > this.#kept;
    const kept = Buffer.concat(this.#parts).subarray(0, bytes);
    // `stream` holds back a character that the bound has cut in two.
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(kept, { stream: isTruncated });
    this.#parts = [];
    this.#kept = 0;
    this.#bytes = 0;
    this.#lastByte = 0;
    return { text, isTruncated, bytes };
  }
}
