import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { opencodeProgram, scriptedConfig } from '../support/opencode.ts';
import { makeRepository } from '../support/repository.ts';
import { environmentFor, tempDir } from '../support/temp.ts';

type Direct = AsyncDisposable & { readonly once: (text: string) => Promise<number> };

/**
 * A plain `opencode serve` with the private profile's switches, and nothing of Gantry: from a prompt's acceptance (204) to
 * the first delta at a reader of its own event stream, ms. Each prompt has a fresh worktree, as Gantry's attempts have.
 */
export async function directOpencode(modelUrl: string): Promise<Direct> {
  const stack = new AsyncDisposableStack();
  const { path: root } = stack.use(await tempDir());
  const repository = stack.use(await makeRepository());
  let made = 0;
  const child = await serve(root, modelUrl);
  stack.defer(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const url = await addressOf(child);
  const ask = async (directory: string, path: string, body: object): Promise<Response> => {
    const query = `?directory=${encodeURIComponent(directory)}`;
    const headers = { 'content-type': 'application/json' };
    return await fetch(`${url}${path}${query}`, { method: 'POST', headers, body: JSON.stringify(body) });
  };
  const prompt = async (text: string): Promise<number> => {
    made += 1;
    const directory = repository.beside(`worktree-${made}`);
    await repository.git(['worktree', 'add', '--quiet', '-b', `bench-${made}`, directory]);
    const session = (await (await ask(directory, '/session', { title: 'bench' })).json()) as { id: string };
    const abort = new AbortController();
    const events = await fetch(`${url}/global/event`, { signal: abort.signal });
    const delta = firstDelta(events, session.id);
    await ask(directory, `/session/${session.id}/prompt_async`, { parts: [{ type: 'text', text }] });
    const accepted = performance.now();
    const arrived = await delta;
    abort.abort();
    return arrived - accepted;
  };
  await prompt('Warm up.');
  return { once: prompt, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function serve(root: string, modelUrl: string): Promise<ChildProcess> {
  const names = ['config', 'data', 'cache', 'state', 'tmp'];
  for (const name of names) await mkdir(join(root, name));
  await writeFile(join(root, 'models.json'), '{}');
  const switches = ['AUTOUPDATE', 'MODELS_FETCH', 'LSP_DOWNLOAD', 'DEFAULT_PLUGINS', 'PROJECT_CONFIG', 'CLAUDE_CODE'];
  const config = { ...scriptedConfig(modelUrl), snapshot: false, autoupdate: false, share: 'disabled' };
  const env = {
    ...environmentFor(root),
    XDG_CONFIG_HOME: join(root, 'config'),
    XDG_DATA_HOME: join(root, 'data'),
    XDG_CACHE_HOME: join(root, 'cache'),
    XDG_STATE_HOME: join(root, 'state'),
    TMPDIR: join(root, 'tmp'),
    OPENCODE_MODELS_PATH: join(root, 'models.json'),
    OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
    ...Object.fromEntries(switches.map((name) => [`OPENCODE_DISABLE_${name}`, '1'])),
  };
  const args = ['serve', '--port', '0', '--hostname', '127.0.0.1'];
  return spawn(opencodeProgram(), args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
}

async function addressOf(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('the output is a pipe');
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /listening on (http:\S+)/.exec(line) ?? [];
    if (url) return url;
  }
  throw new Error('OpenCode ended before it listened');
}

async function firstDelta(events: Response, sessionId: string): Promise<number> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of events.body ?? []) {
    rest += decoder.decode(chunk, { stream: true });
    if (rest.includes('"message.part.delta"') && rest.includes(sessionId)) return performance.now();
    rest = rest.slice(-100_000);
  }
  throw new Error('the event stream ended');
}
