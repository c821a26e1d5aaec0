import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../contract/errors.ts';
import { type BackendContext, CAPABILITIES, type Capabilities, type Loan, type OpenSpec } from '../backend.ts';
import { contextFor } from '../isolated.ts';
import type { LentTerminals } from '../lent-terminal.ts';
import { type Program, type ProgramStart, Programs } from '../programs.ts';
import { commandOf, PACKAGE, versionProblem } from './command.ts';
import { Connection, MAX_LINE_BYTES } from './connection.ts';
import { FakeSession } from './session.ts';

/** The fake agent's programs: newline-delimited JSON on their stdio. */
export function fakePrograms(
  context: BackendContext,
  capabilities: Capabilities,
  heartbeatMs: number,
  terminals: LentTerminals,
): Programs<FakeSession> {
  return new Programs(context, {
    name: 'fake agent',
    capabilities: () => capabilities,
    start: (spec) => startOf(spec, contextFor(spec, context)),
    greet: (spec, program) => greet(spec, program, { context, capabilities, heartbeatMs, terminals }),
  });
}

async function startOf({ directory, env, from }: OpenSpec, context: BackendContext): Promise<ProgramStart> {
  const { home, environment, settings } = context;
  const store = join(home, 'sessions');
  await mkdir(store, { recursive: true, mode: 0o700 });
  const privateHome = settings.profile === 'private' ? { HOME: join(home, 'home') } : {};
  if (privateHome.HOME !== undefined) await mkdir(privateHome.HOME, { recursive: true, mode: 0o700 });
  return {
    command: [
      ...commandOf(context),
      '--store',
      store,
      ...(from.type === 'new' ? [] : [`--${from.type}`, from.nativeId]),
    ],
    cwd: directory,
    env: { ...environment, ...privateHome, ...settings.env, ...env },
    maxLineBytes: MAX_LINE_BYTES,
    readable: PACKAGE,
  };
}

async function greet(
  spec: OpenSpec,
  { process, ready, over }: Program,
  options: {
    readonly context: BackendContext;
    readonly capabilities: Capabilities;
    readonly heartbeatMs: number;
    readonly terminals: LentTerminals;
  },
): Promise<FakeSession> {
  const { capabilities, heartbeatMs, terminals, context } = options;
  const { log, settings } = options.context;
  const connection = new Connection(process);
  let session: FakeSession | null = null;
  const reading = connection.read({
    event: (frame) => session?.take(frame),
    notice: (text) => {
      if (session) session.notice(text);
      else log.warn({ session: spec.sessionId }, text);
    },
  });
  connection.send({
    type: 'open',
    directory: spec.directory,
    title: spec.title,
    tools: spec.profile.tools,
    model: spec.model ?? settings.model ?? null,
    instructions: spec.instructions,
    off: CAPABILITIES.filter((name) => !capabilities[name]),
    heartbeatMs,
  });
  const hello = await ready(connection.hello, reading);
  const problem = versionProblem(hello.version);
  if (problem !== null) throw new AppError('backend_version', problem);
  const opened = new FakeSession({
    hello,
    process,
    connection,
    capabilities,
    lend: capabilities.attach && !spec.isolated ? () => lendTo(terminals, spec, hello.nativeId, context) : null,
    onEnd: over,
  });
  session = opened;
  reading
    .then((fault) => opened.outputEnded(fault))
    .catch((err: unknown) => log.error({ err, session: spec.sessionId }, 'the end of a fake agent was not seen to'));
  return opened;
}

/** Its screen says which conversation it is, and what is typed. */
const lendTo = (
  terminals: LentTerminals,
  { title, directory, env }: OpenSpec,
  nativeId: string,
  { home, environment, settings }: BackendContext,
): Promise<Loan> =>
  terminals.lend({
    nativeId,
    title,
    command: ['sh', '-c', 'echo "conversation $0"; exec cat', nativeId],
    cwd: directory,
    env: { ...environment, ...settings.env, ...env },
    own: join(home, 'lent', randomUUID().slice(0, 8)),
    isReady: () => Promise.resolve(true),
  });
