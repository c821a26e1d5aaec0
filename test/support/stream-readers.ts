import { on, once } from 'node:events';
import { WebSocket } from 'ws';
import { readEvents } from '../../src/client/events.ts';
import { StreamMessage } from '../../src/contract/fact.ts';
import type { Store } from '../../src/store/store.ts';

export type Address = { readonly url: string };

/** Records `count` facts, each with a text of `length`; the numbers start at `from`. */
export function record(store: Store, count: number, { from = 0, length = 0 } = {}): void {
  store.commit((tx) => {
    for (let i = from; i < from + count; i += 1) {
      tx.record('notice', { level: 'info', text: `${i} ${'x'.repeat(length)}` }, {}, 'test');
    }
  });
}

/** A WebSocket reader that keeps what comes until it is asked for. */
export function openSocket({ url }: Address, query = '', headers: Record<string, string> = {}) {
  const ws = new WebSocket(`${url.replace('http', 'ws')}/api/v1/stream${query}`, {
    headers: { Authorization: 'Bearer read', ...headers },
    autoPong: true,
  });
  const incoming = on(ws, 'message', { close: ['close'] });
  const closed = once(ws, 'close').then(([code]) => code as number);
  const messages = (async function* () {
    for await (const [data] of incoming) yield StreamMessage.parse(JSON.parse(String(data)));
  })();
  return {
    ws,
    closed,
    messages,
    [Symbol.asyncDispose]: async () => {
      if (ws.readyState === WebSocket.CLOSED) return;
      ws.terminate();
      await closed;
    },
  };
}

/** A reader of server-sent events. */
export async function openEvents({ url }: Address, query = '', headers: Record<string, string> = {}) {
  const leave = new AbortController();
  const response = await fetch(`${url}/api/v1/stream${query}`, {
    headers: { Authorization: 'Bearer read', Accept: 'text/event-stream', ...headers },
    signal: leave.signal,
  });
  const events = response.body ? readEvents(response.body) : null;
  const messages = (async function* () {
    for await (const event of events ?? []) {
      if (event.data !== null) yield StreamMessage.parse(JSON.parse(event.data));
    }
  })();
  return { response, messages, [Symbol.asyncDispose]: () => Promise.resolve(leave.abort()) };
}

/** Reads on until a message holds; all that came, that one included. */
export async function readUntil(
  messages: AsyncGenerator<StreamMessage>,
  isLast: (message: StreamMessage) => boolean,
): Promise<StreamMessage[]> {
  const read: StreamMessage[] = [];
  for (;;) {
    const { done, value } = await messages.next();
    if (done) throw new Error(`the stream ended after ${read.length} messages`);
    read.push(value);
    if (isLast(value)) return read;
  }
}

export const isLive = (message: StreamMessage): boolean => message.type === 'live';
export const isSeq =
  (seq: number) =>
  (message: StreamMessage): boolean =>
    message.type === 'fact' && message.fact.seq === seq;

/** `fact 3`, `live 3`, `gap 3-9 slow`: what a test compares. */
export const brief = (messages: readonly StreamMessage[]): string[] =>
  messages.map((message) => {
    if (message.type === 'fact') return `fact ${message.fact.seq}`;
    return message.type === 'live' ? `live ${message.seq}` : `gap ${message.after}-${message.before} ${message.reason}`;
  });

export const factsIn = (messages: readonly StreamMessage[]): number[] =>
  messages.flatMap((message) => (message.type === 'fact' ? [message.fact.seq] : []));
