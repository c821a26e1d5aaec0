import { AppError } from '../contract/errors.ts';
import type { Fact, StreamMessage } from '../contract/fact.ts';
import { positionAfter, type StreamOptions } from './stream.ts';

type Stream = (options: StreamOptions) => AsyncIterable<StreamMessage>;

/** Facts without gaps: what a slow reader missed is read again, as by one that comes back. */
export async function* followFacts(stream: Stream, options: StreamOptions): AsyncGenerator<Fact, void, undefined> {
  let { since } = options;
  while (!options.signal?.aborted) {
    for await (const message of stream({ ...options, since })) {
      if (message.type === 'gap') {
        since = keptAfter(message);
        break;
      }
      since = positionAfter(message);
      if (message.type === 'fact') yield message.fact;
    }
  }
}

/** @throws AppError gone */
function keptAfter({ after, before, reason }: Extract<StreamMessage, { type: 'gap' }>): number {
  if (reason === 'slow') return after;
  throw new AppError('gone', `facts between ${after} and ${before} are no longer kept`);
}
