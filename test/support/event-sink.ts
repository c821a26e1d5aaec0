import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type Deferred, deferred } from '../../src/base/wait.ts';
import type { WireEvent } from '../../src/plugin/reporter.ts';

/** How a daemon may be that is not well: it takes nothing, it never answers, it fails. */
export type Mood = 'well' | 'hanging' | 'failing';

/** A server in the place of a daemon that is not well, which no daemon can be made to be on demand. */
export class EventSink implements AsyncDisposable {
  readonly events: WireEvent[] = [];
  mood: Mood;
  /** What was asked beside events: `POST /api/v1/requests`. */
  readonly calls: string[] = [];
  readonly #server: Server;
  #more: Deferred<void> = deferred();

  private constructor(mood: Mood) {
    this.mood = mood;
    this.#server = createServer((request, response) => {
      const { method, url } = request;
      if (url !== '/events') this.calls.push(`${method} ${url?.split('?')[0]}`);
      if (this.mood === 'hanging') return;
      if (this.mood === 'failing') return void response.writeHead(500).end('{"error":"no"}');
      void this.#take(request).then((answer) => response.writeHead(200).end(JSON.stringify(answer)));
    });
  }

  static async open(mood: Mood = 'well'): Promise<EventSink> {
    const sink = new EventSink(mood);
    sink.#server.listen(0, '127.0.0.1');
    await once(sink.#server, 'listening');
    return sink;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #take(request: IncomingMessage): Promise<unknown> {
    const body = await text(request);
    if (request.url !== '/events') return { items: [] };
    this.events.push(...(JSON.parse(body) as WireEvent[]));
    const more = this.#more;
    this.#more = deferred();
    more.resolve();
    return { accepted: 1 };
  }

  /** Resolves when so many events of this type were taken. */
  async has(type: string, count = 1): Promise<void> {
    while (this.events.filter((event) => event.hook_event_type === type).length < count) await this.#more.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
