import { AppError } from '../contract/errors.ts';

/** A server-sent event; a comment has neither id nor data. */
export type ServerEvent = { readonly id: string | null; readonly data: string | null };

/** Characters of one event: a fact has at most 4 million. */
const MAX_EVENT = 16_000_000;

/**
 * The events of a `text/event-stream` body, comments included: they are a sign of life.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html, without bare CR as a line end and without `retry`.
 * @throws AppError internal for an event without end
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunksOf(body)) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
    rest = blocks.pop() ?? '';
    if (rest.length > MAX_EVENT) throw new AppError('internal', 'the daemon sent an event that does not end');
    for (const block of blocks) yield parseEvent(block);
  }
}

function parseEvent(block: string): ServerEvent {
  let id: string | null = null;
  const data: string[] = [];
  for (const line of block.split('\n')) {
    if (line.startsWith('data: ')) data.push(line.slice('data: '.length));
    else if (line.startsWith('id: ')) id = line.slice('id: '.length);
  }
  return { id, data: data.length === 0 ? null : data.join('\n') };
}

/** Not every browser can iterate a stream. Leaving early cancels it. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body.getReader();
  let isDone = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      isDone = done;
      if (done) return;
      yield value;
    }
  } finally {
    if (!isDone) reader.cancel().catch(() => undefined);
  }
}
