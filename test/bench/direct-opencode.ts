import { join } from 'node:path';
import { z } from 'zod';
import type { BackendContext } from '../../src/backends/backend.ts';
import { startServer } from '../../src/backends/opencode/launch.ts';
import { planOf } from '../../src/backends/opencode/plan.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { deferred } from '../../src/base/wait.ts';
import { readEvents } from '../../src/client/events.ts';
import { localHost } from '../../src/hosts/local.ts';
import { MemoryBook, openSpec } from '../support/backend-session.ts';
import { environmentFor } from '../support/temp.ts';
import { clockNow } from './fact-watch.ts';

/** An OpenCode server as Gantry starts it, without Gantry in between. */
export type DirectOpencode = AsyncDisposable & {
  readonly createSession: (directory: string) => Promise<DirectSession>;
};

export type DirectSession = {
  /** Gives a prompt; answers with the moment when the first piece of the answer was here. */
  readonly firstByte: (text: string) => Promise<number>;
};

const Access = z.object({ url: z.string(), password: z.string() });
const START_LIMIT_MS = 60_000;

export async function directOpencode(
  root: string,
  project: string,
  settings: BackendContext['settings'],
): Promise<DirectOpencode> {
  const book = new MemoryBook();
  const context: BackendContext = {
    id: 'opencode',
    settings,
    host: localHost,
    clock: systemClock,
    log: silentLog,
    book,
    environment: environmentFor(root),
    home: join(root, 'direct'),
  };
  await using stack = new AsyncDisposableStack();
  const plan = planOf(openSpec(project), context);
  const server = await startServer(plan, context, START_LIMIT_MS, new AbortController().signal, () => undefined);
  stack.defer(async () => void (await server.stop(5_000)));
  const { url, password } = Access.parse(book.all()[0]?.data);
  const headers = {
    Authorization: `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`,
    'Content-Type': 'application/json',
  };
  const post = async (directory: string, path: string, body: object): Promise<unknown> => {
    const response = await fetch(`${url}${path}?directory=${encodeURIComponent(directory)}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`OpenCode answers ${response.status} to ${path}`);
    const text = await response.text();
    return text === '' ? null : JSON.parse(text);
  };
  const reader = await readDeltas(`${url}/global/event`, headers);
  stack.defer(reader.close);
  const kept = stack.move();
  return {
    createSession: async (directory) => {
      const { id } = z.object({ id: z.string() }).parse(await post(directory, '/session', { title: 'bench' }));
      return {
        firstByte: async (text) => {
          const seen = reader.firstOf(id);
          await post(directory, `/session/${id}/prompt_async`, { parts: [{ type: 'text', text }] });
          return await seen;
        },
      };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

type Delta = { readonly payload?: { readonly type: string; readonly properties?: { readonly sessionID?: string } } };

/** Reads the server's events. Trusts what comes: checking it would be measured too. */
async function readDeltas(url: string, headers: Readonly<Record<string, string>>) {
  const leave = new AbortController();
  const { body } = await fetch(url, { headers, signal: leave.signal });
  if (body === null) throw new Error('OpenCode sends no events');
  const waiting = new Map<string, (at: number) => void>();
  const read = async (): Promise<void> => {
    for await (const { data } of readEvents(body)) {
      const at = clockNow();
      const { payload } = JSON.parse(data ?? '{}') as Delta;
      if (payload?.type !== 'message.part.delta') continue;
      const session = payload.properties?.sessionID ?? '';
      waiting.get(session)?.(at);
      waiting.delete(session);
    }
  };
  const reading = read().catch((error: unknown) => {
    if (!leave.signal.aborted) throw error;
  });
  return {
    firstOf: (session: string): Promise<number> => {
      const first = deferred<number>();
      waiting.set(session, first.resolve);
      return first.promise;
    },
    close: async (): Promise<void> => {
      leave.abort();
      await reading;
    },
  };
}
