import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { AppError, toAppError } from '../contract/errors.ts';
import { NODE_PATH, type NodeRight } from '../contract/node.ts';
import type { Access } from './access.ts';
import { type Authenticated, authenticate, authorize } from './auth.ts';
import { problemJson } from './events/answer.ts';
import type { EventDoor } from './events/door.ts';
import type { FactPages } from './fact-pages.ts';
import { PROBLEM_TYPE } from './problem.ts';
import { checkSite } from './site.ts';
import { parseStreamQuery } from './stream-query.ts';
import { STREAM_PATH, type Streams } from './streams.ts';

export type UpgradeParts = {
  readonly access: Access;
  readonly hosts: ReadonlySet<string>;
  readonly cookie: string;
  readonly streams: Streams;
  readonly facts: FactPages;
  readonly door: EventDoor;
  readonly nodes: NodeDoor;
};

/** Where nodes come in. */
export type NodeDoor = {
  readonly accept: (socket: WebSocket, right: NodeRight) => void;
  /** Lets go of those whose token is no longer valid. */
  readonly recheck: () => void;
  readonly close: () => void;
};

/** Of one message: a part of a bundle. */
const MAX_NODE_MESSAGE = 64 * 1024 * 1024;
const nodeSockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: false,
  maxPayload: MAX_NODE_MESSAGE,
  clientTracking: false,
});

/** Turns a request into a WebSocket of the stream, or refuses it with a problem. */
export async function upgrade(
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  parts: UpgradeParts,
): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    if (await parts.door.upgrade(incoming, socket, head)) return;
    const path = (incoming.url ?? '').split('?')[0];
    const { origin, cookie } = incoming.headers;
    // A node may come through a tunnel, by any name. No page can do that: none can send a token in a header.
    const isNode = path === NODE_PATH && origin === undefined && cookie === undefined;
    if (!isNode) checkSite(incoming.headers, parts.hosts);
    // A page of another site may open a WebSocket with our cookie: it must name its Origin, as a change must.
    const verified = authenticate({ headers: incoming.headers, isChanging: true }, parts.access, parts.cookie);
    if (path === NODE_PATH) {
      authorize(verified, { scope: 'node' });
      return acceptNode(incoming, { socket, head }, verified, parts.nodes);
    }
    authorize(verified, { scope: 'read' });
    if (path !== STREAM_PATH) throw new AppError('not_found', `there is no WebSocket at ${path}, only ${STREAM_PATH}`);
    const { since, filter } = parseStreamQuery(incoming);
    parts.streams.requireRoom();
    parts.streams.openSocket(
      { incoming, socket, head },
      { source: parts.facts.source(filter), since },
      verified.isStillValid,
    );
  } catch (error) {
    refuse(socket, toAppError(error));
  }
}

function acceptNode(
  incoming: IncomingMessage,
  { socket, head }: { readonly socket: Duplex; readonly head: Buffer },
  { caller, tokenId, name, isStillValid }: Authenticated,
  nodes: NodeDoor,
): void {
  nodeSockets.handleUpgrade(incoming, socket, head, (ws) =>
    nodes.accept(ws, { only: caller.scope === 'node' ? name : null, tokenId, isStillValid }),
  );
}

function refuse(socket: Duplex, error: AppError): void {
  const { status, json: body } = problemJson(error);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'Connection: close',
  ];
  socket.once('finish', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
