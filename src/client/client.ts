import type { InputOf, OperationName, OutputOf } from '../contract/api.ts';
import type { Fact, StreamMessage } from '../contract/fact.ts';
import { type CallOptions, call } from './call.ts';
import { followFacts } from './facts.ts';
import { type Observed, observe } from './observe.ts';
import { type Connection, openSend } from './send.ts';
import { followStream, type StreamOptions } from './stream.ts';

export { followView } from './view.ts';

/** The HTTP API of a daemon, for Node and browsers. */
export type Client = {
  readonly url: string;
  /**
   * Carries out an operation of the contract. Tries once.
   * @throws AppError with the daemon's code; daemon_unreachable; cancelled or timeout by `signal`
   */
  readonly call: <N extends OperationName>(name: N, input: InputOf<N>, options?: CallOptions) => Promise<OutputOf<N>>;
  /**
   * The journal as it grows, over any number of connections: each fact once and in order. A `gap` says what was left
   * out for a reader that was too slow. Ends when `signal` aborts.
   * @throws AppError of a refusal, such as unauthorized; daemon_unreachable after `giveUpMs` without a connection
   */
  readonly stream: (options?: StreamOptions) => AsyncGenerator<StreamMessage, void, undefined>;
  /**
   * Facts after a position, none left out however slowly they are taken.
   * @throws AppError like `stream`; gone if some of them are no longer kept
   */
  readonly facts: (options?: StreamOptions) => AsyncGenerator<Fact, void, undefined>;
  /** Sends events as an outside program does, at most 1,000 at once. @throws AppError like `call` */
  readonly observe: (events: readonly object[]) => Promise<Observed>;
};

export function createClient(connection: Connection): Client {
  const send = openSend(connection);
  const stream: Client['stream'] = (options = {}) => followStream(send, options);
  return {
    url: connection.url,
    call: (name, input, options = {}) => call(send, name, input, options),
    stream,
    facts: (options = {}) => followFacts(stream, options),
    observe: (events) => observe(send, events),
  };
}
