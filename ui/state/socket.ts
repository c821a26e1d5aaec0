import { type Fact, StreamMessage } from '../../src/contract/fact.ts';

/** How a connection to the stream ended; `isRefused`: it never opened. */
export type SocketEnd = { readonly reason: string; readonly isRefused: boolean };

export type SocketListener = {
  readonly onFact: (fact: Fact) => void;
  /** Everything up to `seq` has come. */
  readonly onLive: (seq: number) => void;
  /** Facts are missing: a new snapshot is needed. */
  readonly onGap: () => void;
  readonly onEnd: (end: SocketEnd) => void;
};

/**
 * The journal after `since` over one WebSocket: it carries the page's cookie, and does not count against the six
 * connections that a browser allows to one host. Ends once. @returns what closes it
 */
export function openSocket(origin: string, since: number, listener: SocketListener): () => void {
  const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}/api/v1/stream?since=${since}`);
  let hasOpened = false;
  let isOver = false;
  const end = (reason: string): void => {
    if (isOver) return;
    isOver = true;
    socket.close();
    listener.onEnd({ reason, isRefused: !hasOpened });
  };
  socket.addEventListener('open', () => {
    hasOpened = true;
  });
  socket.addEventListener('message', ({ data }: MessageEvent<string>) => {
    if (isOver) return;
    const message = StreamMessage.safeParse(parsed(data));
    if (!message.success) return end('the daemon sent something that is no message of the stream');
    switch (message.data.type) {
      case 'fact':
        return listener.onFact(message.data.fact);
      case 'live':
        return listener.onLive(message.data.seq);
      case 'gap':
        return listener.onGap();
      default:
        return message.data satisfies never;
    }
  });
  socket.addEventListener('close', ({ code, reason }) => end(reason || `the connection was closed (${code})`));
  return () => end('closed by the page');
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
