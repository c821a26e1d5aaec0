import type { InputOf } from '../contract/api.ts';
import { AppError } from '../contract/errors.ts';
import { StreamMessage } from '../contract/fact.ts';
import { queryOf } from './call.ts';
import { readEvents } from './events.ts';
import { type Patience, Reconnect } from './reconnect.ts';
import { jsonOf, lostError, type Send } from './send.ts';
import { watchSilence } from './silence.ts';

/** Which facts, as `facts.list` takes it: all that is named must hold. */
export type StreamFilter = Pick<
  InputOf<'facts.list'>,
  'kind' | 'class' | 'actor' | 'source' | 'projectId' | 'requestId' | 'taskId' | 'sessionId' | 'agent'
>;

export type StreamOptions = StreamFilter &
  Patience & {
    /** The position after which to begin; absent: now. */
    readonly since?: number | undefined;
  };

/** The daemon sends a sign of life every 15 s. */
const SILENCE_MS = 45_000;

/**
 * Follows the journal by server-sent events over `fetch`: they can carry a token in a header, in Node and in browsers,
 * where a WebSocket of either cannot, and need no second protocol. A browser allows six such connections to one host:
 * a page that may be open in more tabs than that shares one.
 */
export async function* followStream(
  send: Send,
  { since, signal, giveUpMs, ...filter }: StreamOptions,
): AsyncGenerator<StreamMessage, void, undefined> {
  const reconnect = new Reconnect({ signal, giveUpMs });
  let cursor = since;
  while (!signal?.aborted) {
    try {
      for await (const message of connect(send, pathOf(cursor, filter), signal)) {
        reconnect.connected();
        const next = positionAfter(message);
        // Sent once more after a connection was lost in between.
        if (message.type === 'fact' && cursor !== undefined && next <= cursor) continue;
        cursor = next;
        yield message;
      }
    } catch (error) {
      if (signal?.aborted) return;
      await reconnect.failed(error);
    }
  }
}

function pathOf(since: number | undefined, filter: StreamFilter): string {
  const { kind: kinds, class: classes, actor: actors, source: sources, ...subject } = filter;
  const { projectId, requestId, taskId, sessionId, agent } = subject;
  const query = { since, kinds, classes, actors, sources, projectId, requestId, taskId, sessionId, agent };
  return `/api/v1/stream${queryOf(query)}`;
}

/** Where a reader stands that has the message. */
export function positionAfter(message: StreamMessage): number {
  switch (message.type) {
    case 'fact':
      return message.fact.seq;
    case 'gap':
      return message.before - 1;
    case 'live':
      return message.seq;
    default:
      return message satisfies never;
  }
}

/** One connection. Its end is an error: the stream has none of its own. @throws AppError */
async function* connect(
  send: Send,
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<StreamMessage, void, undefined> {
  const silence = watchSilence(SILENCE_MS);
  const both = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
  try {
    const { body } = await send(path, { headers: { Accept: 'text/event-stream' }, signal: both });
    if (body === null) throw new AppError('internal', 'the daemon sent no stream');
    for await (const { data } of readEvents(body)) {
      // How long the reader of this takes is not the daemon's silence.
      silence.rest();
      if (data !== null) yield parseMessage(data);
      silence.listen();
    }
    throw new AppError('daemon_unreachable', 'the daemon ended the stream');
  } catch (error) {
    if (silence.signal.aborted && !signal?.aborted) {
      throw new AppError('daemon_unreachable', `no sign of life for ${SILENCE_MS} ms`, { cause: error });
    }
    throw lostError(signal, 'the stream was cut off', error);
  } finally {
    silence.stop();
  }
}

function parseMessage(data: string): StreamMessage {
  const message = StreamMessage.safeParse(jsonOf(data));
  if (message.success) return message.data;
  throw new AppError('internal', `the daemon sent a message of another form: ${data.slice(0, 200)}`);
}
