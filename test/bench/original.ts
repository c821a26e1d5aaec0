import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { opencodeProgram } from '../support/opencode.ts';
import { tempDir } from '../support/temp.ts';
import type { EventServer } from './event-server.ts';

const RECONSTRUCTION = fileURLToPath(new URL('original/server.mjs', import.meta.url));
const OF_OPENCODE = { BUN_BE_BUN: '1', SERVER_PORT: '0' };
const LISTENS = /http:\/\/localhost:(\d+)/;

/** What a page says of it. */
export const ORIGINAL =
  '“Original” is the hooks observability server whose clients Gantry serves, from a checkout of it (`--original <its apps/server>`). Without one a reconstruction (test/bench/original/server.mjs) stands for it and is named so: its tables, indexes, journal settings, one INSERT and one broadcast per POST and its queries. Either runs on the Bun that is inside of OpenCode (1.3; on Bun 1.4 from npm it takes the same processor time).';

type Stored = Readonly<Record<string, unknown>>;

/** That server on a fresh database, with so many of `events` in it already. `folder` is its own; else the reconstruction runs. */
export async function startOriginal(
  folder: string | null,
  events: readonly Stored[] = [],
  count = 0,
): Promise<EventServer & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await tempDir());
  const args = ['run', folder === null ? RECONSTRUCTION : resolve(folder, 'src/index.ts')];
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: dir.path, ...OF_OPENCODE };
  const child = spawn(opencodeProgram(), args, { env, cwd: dir.path, stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child, 'spawn');
  stack.defer(async () => {
    const ended = once(child, 'exit');
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await ended;
  });
  const lines = createInterface(child.stdout);
  const ready = once(lines, 'line') as Promise<[string]>;
  const early = once(child, 'exit').then(([code]) => {
    throw new Error(`the original ended with ${code}`);
  });
  const [line] = await Promise.race([ready, early]);
  early.catch(() => undefined);
  const port = LISTENS.exec(line)?.[1];
  if (port === undefined) throw new Error(`the original does not say where it listens: ${line}`);
  fill(join(dir.path, 'events.db'), events, count);
  const kept = stack.move();
  return {
    name: folder === null ? 'reconstruction' : 'original',
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    token: null,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** A million posts would take minutes. */
function fill(file: string, events: readonly Stored[], count: number): void {
  using db = new DatabaseSync(file);
  const insert = db.prepare(
    'INSERT INTO events (source_app, session_id, hook_event_type, payload, timestamp) VALUES (?, ?, ?, ?, ?)',
  );
  db.exec('BEGIN');
  for (let i = 0; i < count; i += 1) {
    const { source_app, session_id, hook_event_type, payload } = events[i % events.length] ?? {};
    insert.run(String(source_app), String(session_id), String(hook_event_type), JSON.stringify(payload), Date.now());
  }
  db.exec('COMMIT');
}
