import { realpath, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../contract/errors.ts';
import { MARKER_VARIABLE } from '../../process/table.ts';
import type { BackendContext, BackendSession, OpenSpec, PersonView, Prompt } from '../backend.ts';
import { projectInstructions } from '../project-instructions.ts';
import { profileFault } from './agents.ts';
import type { Dialect, NativePrompt, NativeSession } from './dialect.ts';
import { checkVersion } from './dialects.ts';
import { HttpFailure } from './http.ts';
import { endMarked, type Launched } from './launch.ts';
import type { Lease, Running } from './servers.ts';
import { OpencodeSession } from './session.ts';

/** The agent that works unless the user's configuration has removed it. */
const AGENT = 'build';
const SESSION_ID = /^ses_\w+$/;

/** Opens a session on a server that runs. @throws AppError */
export async function openSession(
  spec: OpenSpec,
  context: BackendContext,
  lease: Lease,
  onEnd: (session: OpencodeSession) => void,
): Promise<OpencodeSession> {
  const { running } = lease;
  const { server } = running;
  await running.launched?.trimLog();
  const agent = await checkDirectory(spec, running);
  const { native, origin, isFresh } = await nativeSession(spec, running);
  if (!SESSION_ID.test(native.id))
    throw new AppError('backend_failed', `OpenCode made a session with the id ${native.id}`);
  const extras = await giveExtras(spec, running, native.id);
  const session: OpencodeSession = new OpencodeSession({
    nativeId: native.id,
    directory: spec.directory,
    view: viewOf(spec, context, running, native.id),
    origin,
    isFresh,
    dialect: server.dialect,
    clock: context.clock,
    bodyOf: (prompt) => bodyOf(prompt, spec, running, native.id, agent),
    onChild: (childId) => server.addChild(childId, native.id),
    isOfTree: (id) => server.rootOf(id) === native.id,
    onClosing: () => server.check(),
    onClose: (graceMs) => leave(session, running, context, graceMs),
    onEnd: () => {
      server.remove(session);
      if (!server.isGone) running.launched?.removeUser(spec.sessionId);
      onEnd(session);
      void lease.release(false);
    },
  });
  server.add(session);
  running.launched?.addUser(spec.sessionId);
  for (const text of extras) session.notice('warning', text);
  for (const text of noticesOf(running)) session.notice('info', text);
  if (!isFresh) await session.reconcile();
  return session;
}

/** The program's own terminal client beside Gantry's: the server serves both. */
function viewOf(
  { directory }: OpenSpec,
  { settings }: BackendContext,
  { http: { url, password } }: Running,
  nativeId: string,
): PersonView {
  const [program = 'opencode', ...args] = settings.command ?? [];
  return {
    command: [program, ...args, 'attach', url, '--dir', directory, '-s', nativeId],
    env: password === null ? {} : { OPENCODE_SERVER_PASSWORD: password },
  };
}

function noticesOf({ version, launched }: Running): string[] {
  const { notice } = checkVersion(version);
  const attached =
    'this OpenCode server is not Gantry’s own: its configuration decides what its sub-agents may do, and the agent’s shell gets no variables of its own';
  return [...(notice === null ? [] : [notice]), ...(launched ? [] : [attached])];
}

/** OpenCode takes a directory that is not there without a word. @throws AppError `backend_failed` */
export async function needDirectory(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => null);
  if (!found?.isDirectory()) throw new AppError('backend_failed', `there is no directory ${directory}`);
}

/** Boots the directory's instance and checks what it would do. @returns the agent to prompt; null: the program's default */
async function checkDirectory({ directory, profile, model }: OpenSpec, running: Running): Promise<string | null> {
  const { dialect } = running.server;
  const agents = await dialect.agents(directory);
  const fault = running.launched ? profileFault(agents, profile) : null;
  if (fault !== null) throw new AppError('backend_failed', `OpenCode would not obey the permission profile: ${fault}`);
  if (model !== null && !(await dialect.hasModel(directory, model))) {
    throw new AppError('unsupported', `OpenCode has no model "${model}"`, { details: { model } });
  }
  return agents.some(({ name }) => name === AGENT) ? AGENT : null;
}

type Native = {
  readonly native: NativeSession;
  readonly origin: BackendSession['origin'];
  readonly isFresh: boolean;
};

async function nativeSession(spec: OpenSpec, running: Running): Promise<Native> {
  const { dialect } = running.server;
  const { from, directory, sessionId: gantrySession, title } = spec;
  const rules = running.launched ? null : spec.profile;
  const known =
    from.type === 'new' || from.type === 'fork' ? await dialect.findSession(directory, gantrySession) : null;
  if (known) return { native: known, origin: { type: from.type === 'fork' ? 'forked' : 'new' }, isFresh: false };
  const create = async (): Promise<NativeSession> => {
    try {
      return await dialect.createSession({ directory, title, model: spec.model, gantrySession, rules });
    } catch (error) {
      const made =
        error instanceof HttpFailure && error.isLost && (await dialect.findSession(directory, gantrySession));
      if (made) return made;
      throw error;
    }
  };
  if (from.type === 'new') return { native: await create(), origin: { type: 'new' }, isFresh: true };

  const old = await dialect.session(from.nativeId);
  const reason = await whyNot(old, spec, running);
  if (!old || reason !== null) {
    return { native: await create(), origin: { type: 'new-instead', reason: reason ?? '' }, isFresh: true };
  }
  if (from.type === 'resume') return { native: old, origin: { type: 'resumed' }, isFresh: false };
  const native = await dialect.forkSession(old.id, { directory, title, gantrySession, rules });
  return { native, origin: { type: 'forked' }, isFresh: false };
}

/** Why the session cannot be gone on with; null if it can. */
async function whyNot(
  old: NativeSession | null,
  { directory, from }: OpenSpec,
  running: Running,
): Promise<string | null> {
  const id = from.type === 'new' ? '' : from.nativeId;
  if (!old) return `OpenCode does not know the session ${id}`;
  if (!running.launched && old.gantrySession === null) return `the session ${id} was not made by Gantry`;
  const real = (path: string): Promise<string> => realpath(path).catch(() => path);
  // A fork is a session of its own, in its own directory.
  if (from.type === 'resume' && (await real(old.directory)) !== (await real(directory))) {
    return `the session ${id} works in ${old.directory}, and OpenCode cannot move it`;
  }
  return null;
}

/** Variables, instructions and MCP servers. @returns what could not be given, in words */
async function giveExtras(spec: OpenSpec, running: Running, nativeId: string): Promise<string[]> {
  const { dialect } = running.server;
  const servers = Object.entries(spec.mcp);
  const { plan } = running;
  if (!plan)
    return servers.length === 0 ? [] : ['MCP servers are not given to an OpenCode server that is not Gantry’s own'];
  await writeSessionFile(spec, running, nativeId, await instructionsOf(spec));
  const results = await Promise.all(
    servers.map(async ([name, server]) => {
      const problem = await dialect.addMcp(spec.directory, name, server, plan.blank);
      return problem === null ? [] : [`the MCP server "${name}" is not connected: ${problem}`];
    }),
  );
  return results.flat();
}

async function instructionsOf({ instructions, project, directory }: OpenSpec): Promise<string | null> {
  const ofProject = project.isTrusted ? null : await projectInstructions(directory, ['AGENTS.md']);
  const texts = [instructions, ofProject].filter((text) => text !== null);
  return texts.length === 0 ? null : texts.join('\n\n');
}

const sessionFile = ({ sessions }: Launched, nativeId: string): string => join(sessions, `${nativeId}.json`);

/** For the plugin: only its owner can read it. */
async function writeSessionFile(
  spec: OpenSpec,
  running: Running,
  nativeId: string,
  instructions: string | null,
): Promise<void> {
  const { launched } = running;
  if (!launched) return;
  // What the session starts can be told from what others on the server have started.
  const env = { ...spec.env, [MARKER_VARIABLE]: markerOf(launched.marker, nativeId) };
  await writeFile(sessionFile(launched, nativeId), JSON.stringify({ env, instructions }), { mode: 0o600 });
}

const markerOf = (server: string, nativeId: string): string => `${server}/${nativeId}`;

async function bodyOf(
  { text, native }: Prompt,
  spec: OpenSpec,
  running: Running,
  nativeId: string,
  agent: string | null,
): Promise<NativePrompt> {
  const system = await instructionsOf(spec);
  await writeSessionFile(spec, running, nativeId, system);
  const { messageId = '', partId = '' } = native;
  return { messageId, partId, text, model: spec.model, agent, system };
}

async function leave(
  session: OpencodeSession,
  running: Running,
  context: BackendContext,
  graceMs: number,
): Promise<readonly number[]> {
  const { server, launched } = running;
  if (!launched) return [];
  await rm(sessionFile(launched, session.nativeId), { force: true });
  const isShared = server.sessions.some((other) => other !== session && other.directory === session.directory);
  if (!isShared && !server.isGone) await orUnheard(server.dialect.disposeDirectory(session.directory));
  return await endMarked(markerOf(launched.marker, session.nativeId), context, graceMs);
}

/** A server that does not answer is looked after by whoever reads its events. */
async function orUnheard(promise: ReturnType<Dialect['disposeDirectory']>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof HttpFailure)) throw error;
  }
}
