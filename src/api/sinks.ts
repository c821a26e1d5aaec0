import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { EndReason, Sink } from './fact-reader.ts';

/** WebSocket close codes: RFC 6455 section 7.4; 4000 to 4999 are free for applications. */
const CLOSE_CODES: Readonly<Record<EndReason, number>> = {
  stopping: 1001,
  unauthorized: 4401,
  failed: 1011,
  slow: 1013,
};

export const webSocketSink = (ws: WebSocket, socket: Duplex): Sink => ({
  bufferedBytes: () => ws.bufferedAmount,
  // Framed once for all readers; `ws` would make a head for each, and two pieces of each message.
  send: (frame, onSent) => {
    if (ws.readyState === ws.OPEN) socket.write(frame.message, onSent);
  },
  ping: (onAlive) => {
    ws.once('pong', onAlive);
    ws.ping();
  },
  cork: () => socket.cork(),
  uncork: () => socket.uncork(),
  end: (reason) => ws.close(CLOSE_CODES[reason], reason),
  terminate: () => ws.terminate(),
});

export const eventSink = (response: ServerResponse): Sink => ({
  bufferedBytes: () => response.writableLength,
  send: (frame, onSent) => void response.write(frame.event, onSent),
  ping: (onAlive) => void response.write(':\n\n', onAlive),
  cork: () => response.cork(),
  uncork: () => response.uncork(),
  end: () => void response.end(),
  terminate: () => void response.destroy(),
});
