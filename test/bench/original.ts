import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { opencodeProgram } from '../support/opencode.ts';
import { tempDir } from '../support/temp.ts';
import type { EventServer } from './event-server.ts';

const SERVER = fileURLToPath(new URL('original/server.mjs', import.meta.url));
const OF_OPENCODE = { BUN_BE_BUN: '1' };

/** What a page says of it. */
export const ORIGINAL =
  '“Original” is a reconstruction (test/bench/original/server.mjs) of the hooks observability server whose clients Gantry serves: its tables, indexes, journal settings, one INSERT and one broadcast per POST and its queries, on the Bun that is inside of OpenCode (1.3; on Bun 1.4 from npm it takes the same processor time). It is not that program itself, and does less than it: no themes, no questions. It is no slower: the program itself was measured on another machine (Xeon, 2.5 GHz) at 3,510, 4,372 and 4,257 events/s over 1, 16 and 64 connections and 0.14 to 0.17 ms of processor time each.';

/** That server on a fresh database, with so many of `events` in it already. */
export async function startOriginal(events: readonly object[], count = 0): Promise<EventServer & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await tempDir());
  const filling = join(dir.path, 'events.json');
  await writeFile(filling, JSON.stringify(events));
  const args = [SERVER, join(dir.path, 'events.db'), filling, String(count)];
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: dir.path, ...OF_OPENCODE };
  const child = spawn(opencodeProgram(), args, { env, cwd: dir.path, stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child, 'spawn');
  stack.defer(async () => {
    const ended = once(child, 'exit');
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await ended;
  });
  const ready = once(createInterface(child.stdout), 'line') as Promise<[string]>;
  const early = once(child, 'exit').then(([code]) => {
    throw new Error(`the original ended with ${code}`);
  });
  const [port] = await Promise.race([ready, early]);
  early.catch(() => undefined);
  const kept = stack.move();
  return {
    name: 'original',
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    token: null,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
