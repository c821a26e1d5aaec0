import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Client, createClient } from '../../src/client/client.ts';
import type { Config } from '../../src/contract/config.ts';
import type { Fact } from '../../src/contract/fact.ts';
import { makeRepository } from '../support/repository.ts';
import { environmentFor, tempDir } from '../support/temp.ts';

const run = promisify(execFile);
/** The built program: what users run. */
export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** A daemon of its own with a project, reached as a user's programs reach it. */
export type Stage = AsyncDisposable & {
  readonly client: Client;
  readonly pid: number;
  readonly project: string;
  readonly env: Readonly<Record<string, string>>;
  /** Submits one task that is the request itself; answers its id. */
  readonly submit: (text: string) => Promise<string>;
  readonly cli: (...args: string[]) => Promise<string>;
};

export async function openStage(config: Config): Promise<Stage> {
  const stack = new AsyncDisposableStack();
  const { path: root } = stack.use(await tempDir());
  const repository = stack.use(await makeRepository());
  const home = join(root, 'gantry');
  await mkdir(home, { mode: 0o700 });
  await mkdir(join(root, 'user'));
  await writeFile(join(home, 'config.jsonc'), JSON.stringify(config));
  const env = { ...environmentFor(join(root, 'user')), GANTRY_HOME: home };
  const cli = async (...args: string[]): Promise<string> =>
    (await run(process.execPath, [MAIN, ...args], { env, maxBuffer: 64 * 1024 * 1024 })).stdout;
  await cli('up', '--port', '0');
  stack.defer(async () => {
    await cli('down');
  });
  const { url, pid } = JSON.parse(await readFile(join(home, 'daemon.json'), 'utf8')) as { url: string; pid: number };
  const { admin } = JSON.parse(await readFile(join(home, 'tokens'), 'utf8')) as { admin: string };
  const client = createClient({ url, token: admin });
  const submit = async (text: string): Promise<string> => {
    const request = { text, project: repository.root, options: { isSingleTask: true } };
    return (await client.call('requests.submit', request)).id;
  };
  return { client, pid, project: repository.root, env, submit, cli, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** One request, and when (performance.now) its submission began and the first fact of each kind reached a live reader. */
export async function arrivals(stage: Stage, text: string): Promise<ReadonlyMap<string, number>> {
  const abort = new AbortController();
  const seen = new Map<string, number>();
  let id: Promise<string> | null = null;
  for await (const message of stage.client.stream({ signal: abort.signal })) {
    // The reader is live before anything is submitted: its connection is not part of the measure.
    if (message.type === 'live' && id === null) {
      seen.set('submit', performance.now());
      id = stage.submit(text);
    }
    if (message.type !== 'fact' || id === null) continue;
    const at = performance.now();
    if (message.fact.requestId !== (await id)) continue;
    const { fact } = message;
    if (!seen.has(fact.kind)) seen.set(fact.kind, at);
    if (endedRequest(fact) !== null) break;
  }
  abort.abort();
  return seen;
}

/** Resolves when all requests are over. */
export async function allOver(stage: Stage, ids: readonly string[]): Promise<void> {
  const abort = new AbortController();
  // The stream begins before the list is read: an end in between is seen twice, not missed.
  const { seq } = await stage.client.call('status', {});
  const { items } = await stage.client.call('requests.list', { limit: 1000 });
  const left = new Set<string>(ids);
  for (const request of items) if (request.endedAt !== null) left.delete(request.id);
  if (left.size === 0) return;
  for await (const message of stage.client.stream({ since: seq, kind: ['request.changed'], signal: abort.signal })) {
    const over = message.type === 'fact' ? endedRequest(message.fact) : null;
    if (over !== null) left.delete(over);
    if (left.size === 0) break;
  }
  abort.abort();
}

const endedRequest = (fact: Fact): string | null =>
  fact.kind === 'request.changed' && fact.data.row.endedAt !== null ? fact.data.row.id : null;
