import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError, toAppError } from '../contract/errors.ts';
import type { Access } from './access.ts';
import { authenticate, authorize } from './auth.ts';
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
};

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
    checkSite(incoming.headers, parts.hosts);
    // A page of another site may open a WebSocket with our cookie: it must name its Origin, as a change must.
    const verified = authenticate({ headers: incoming.headers, isChanging: true }, parts.access, parts.cookie);
    authorize(verified, { scope: 'read' });
    const path = (incoming.url ?? '').split('?')[0];
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
