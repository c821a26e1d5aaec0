import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { readAdminToken } from '../../src/daemon/tokens-file.ts';
import { sampleEvent } from '../support/events.ts';
import { processStat } from '../support/process-stat.ts';
import { benchHome } from './bench-home.ts';

/** What takes events: the built daemon, or what it is compared with. */
export type EventServer = {
  readonly name: 'Gantry' | 'original' | 'reconstruction';
  readonly url: string;
  readonly pid: number;
  /** Null: it asks for none. */
  readonly token: string | null;
};

export const SESSIONS = 5_000;
export const APPS = 10;
const TYPES = [
  'SessionStart',
  'SessionEnd',
  'UserPromptSubmit',
  'PreToolUse',
  'PostToolUse',
  'PostToolUseFailure',
  'PermissionRequest',
  'Notification',
  'SubagentStart',
  'SubagentStop',
  'Stop',
  'PreCompact',
];
const BATCH = 1_000;
const STEP_MS = 200;
/** Processor time in a step that is no work. */
const IDLE_MS = 20;
const QUIET_STEPS = 3;
const SETTLE_STEPS = 600;

/** An event of about 700 bytes. */
export function eventOf(i: number, app = `app-${i % APPS}`): Record<string, unknown> {
  const payload = {
    tool_name: 'Bash',
    tool_input: { command: `echo ${i}` },
    tool_response: { stdout: 'word '.repeat(90) },
  };
  const type = TYPES[i % TYPES.length];
  return sampleEvent({ source_app: app, session_id: `session-${i % SESSIONS}`, hook_event_type: type, payload });
}

export const someEvents = (count: number): readonly Record<string, unknown>[] =>
  Array.from({ length: count }, (_, i) => eventOf(i));

/** The built daemon in a home of its own. */
export async function startGantry(): Promise<EventServer & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const home = stack.use(await benchHome({}));
  const { client, pid } = stack.use(await home.up());
  const token = readAdminToken(home.root);
  if (token === null) throw new Error('the home has no token');
  const kept = stack.move();
  return { name: 'Gantry', url: client.url, pid, token, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Posts events `from` to `to` in batches. */
export async function fill(
  server: EventServer,
  from: number,
  to: number,
  onBatch: (events: number, ms: number) => void,
): Promise<void> {
  for (let n = from; n < to; n += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, to - n) }, (_, i) =>
      eventOf(n + i, n === 0 && i === 0 ? 'rare' : undefined),
    );
    const began = performance.now();
    await call(server, '/events', JSON.stringify(batch));
    onBatch(batch.length, performance.now() - began);
  }
}

/** One call on a connection of its own. */
export async function call({ url, token }: EventServer, path: string, body?: string): Promise<void> {
  const headers = {
    ...(token !== null && { Authorization: `Bearer ${token}` }),
    ...(body !== undefined && { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
  };
  const sent = request(`${url}${path}`, { method: body === undefined ? 'GET' : 'POST', headers });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  answer.resume();
  await once(answer, 'end');
  if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode}`);
}

export const streamOf = ({ url, token }: EventServer): string =>
  `${url.replace('http', 'ws')}${token === null ? '' : `/view/${token}`}/stream`;

/** Waits until the server has done what it does behind its answers; its processor time then, ms. */
export async function settled({ name, pid }: EventServer): Promise<number> {
  let last = processStat(pid).cpuMs;
  let quiet = 0;
  for (let step = 0; step < SETTLE_STEPS; step += 1) {
    await pause(STEP_MS);
    const { cpuMs } = processStat(pid);
    quiet = cpuMs - last <= IDLE_MS ? quiet + 1 : 0;
    last = cpuMs;
    if (quiet === QUIET_STEPS) return cpuMs;
  }
  throw new Error(`${name} does not come to rest`);
}
