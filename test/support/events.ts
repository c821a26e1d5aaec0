import { on, once } from 'node:events';
import { WebSocket } from 'ws';
import type { HookEvent } from '../../src/contract/event.ts';

/** An event as a hook script sends it. */
export const sampleEvent = (over: Record<string, unknown> = {}): Record<string, unknown> => ({
  source_app: 'demo-app',
  session_id: 'native-1',
  hook_event_type: 'PreToolUse',
  payload: { tool_name: 'Bash', tool_input: { command: 'ls' } },
  ...over,
});

type Message = { readonly type: string; readonly data: HookEvent | readonly HookEvent[] };

/** A client of `/stream` that keeps what comes until it is asked for. */
export function followEvents(url: string, path: string, headers: Record<string, string> = {}) {
  const ws = new WebSocket(`${url.replace('http', 'ws')}${path}`, { headers });
  const closed = once(ws, 'close').then(([code]) => code as number);
  /** The words of a refusal. */
  const refused = once(ws, 'error').then(([error]) => String(error));
  refused.catch(() => undefined);
  closed.catch(() => undefined);
  const incoming = on(ws, 'message', { close: ['close'] });
  const messages = (async function* () {
    for await (const [data] of incoming) yield JSON.parse(String(data)) as Message;
  })();
  const next = async (): Promise<Message> => {
    const { done, value } = await messages.next();
    if (done) throw new Error('the stream ended');
    return value;
  };
  return {
    ws,
    closed,
    refused,
    next,
    [Symbol.asyncDispose]: async () => {
      if (ws.readyState === WebSocket.CLOSED) return;
      ws.terminate();
      await closed;
    },
  };
}
