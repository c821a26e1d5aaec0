import { fileURLToPath } from 'node:url';
import { until } from '../../src/base/wait.ts';
import { tempDir } from '../support/temp.ts';
import { freePort, program, startPeer } from './peer.ts';

const LIMIT_MS = 60_000;
const SCRIPT = fileURLToPath(new URL('./letta_server.py', import.meta.url));

export type LettaBlock = {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly limit: number;
};
type Message = { readonly message_type: string; readonly content?: unknown };

/** A real Letta server on loopback, and what a person sees of it. `modelUrl` is an OpenAI-compatible server for its agents. */
export async function startLettaServer(modelUrl: string) {
  const { path: home, [Symbol.asyncDispose]: remove } = await tempDir();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = { LETTA_DIR: home, OPENAI_API_KEY: 'none', OPENAI_API_BASE: modelUrl };
  const command = [program('letta', 'python'), SCRIPT, home, String(port)];
  const peer = await startPeer(command, { home, health: `${url}/v1/health/`, env });
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`${url}/v1/${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer.slice(0, 1_000)}`);
    return JSON.parse(answer) as T;
  };
  return {
    url,
    agent: async (): Promise<string> => {
      const llm = {
        model: 'scripted',
        model_endpoint_type: 'openai',
        model_endpoint: modelUrl,
        context_window: 32_000,
      };
      const body = { name: `caller${Date.now()}`, include_base_tools: false, llm_config: llm };
      return (await call<{ id: string }>('POST', 'agents/', body)).id;
    },
    attached: (agent: string) => call<LettaBlock[]>('GET', `agents/${agent}/core-memory/blocks`),
    blocks: () => call<LettaBlock[]>('GET', 'blocks/'),
    messages: (agent: string) => call<Message[]>('GET', `agents/${agent}/messages?limit=50`),
    until: <T>(what: string, check: () => Promise<T | null | undefined | false>): Promise<T> =>
      until(
        async () => (await check()) || null,
        { everyMs: 200, limitMs: LIMIT_MS },
        () => new Error(`Letta does not show in time: ${what}`),
      ),
    [Symbol.asyncDispose]: async () => {
      await peer.stop();
      await remove();
    },
  };
}
