import { randomUUID } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pause } from '../../base/wait.ts';
import { AppError } from '../../contract/errors.ts';
import type { Backend, BackendContext, Capabilities, OpenSpec } from '../backend.ts';
import { contextFor } from '../isolated.ts';
import { LentTerminals } from '../lent-terminal.ts';
import { type Program, Programs } from '../programs.ts';
import { projectInstructions } from '../project-instructions.ts';
import { Connection, REPLY_LIMIT_MS } from './connection.ts';
import { discard, type Launch, launchOf } from './launch.ts';
import { lendTo } from './person.ts';
import { probe } from './probe.ts';
import { ClaudeSession } from './session.ts';
import { Transcript } from './transcript.ts';
import { checkVersion } from './version.ts';
import { WireHello, WireMcpStatus } from './wire.ts';

const CAPABILITIES: Capabilities = {
  resume: true,
  fork: true,
  steer: true,
  interrupt: true,
  questions: true,
  children: true,
  mcp: true,
  reasoning: true,
  cost: true,
  transcript: true,
  survivesRestart: false,
  attach: true,
};

/** Called before every tool. Without our answer the call is refused. */
const GATE = { PreToolUse: [{ hookCallbackIds: ['gate'], timeout: 60, onFailure: 'block' }] };
const MCP_PAUSE_MS = 50;
const NEVER = new Promise<never>(() => undefined);

/**
 * The backend of Claude Code 2.1 (tested with 2.1.329): the user's own `claude`, one headless program per session, driven
 * over its stream-json protocol on stdio. Its login stays its own: Gantry reads no token.
 */
export function createClaudeBackend(context: BackendContext): Backend {
  const live = new Set<string>();
  const end = (launch: Launch): void => {
    live.delete(launch.own);
    discard(launch);
  };
  const terminals = new LentTerminals(context);
  const programs = new Programs<ClaudeSession, Launch>(context, {
    name: 'Claude Code',
    capabilities: () => CAPABILITIES,
    start: async (spec) => {
      const launch = await launchOf(spec, contextFor(spec, context));
      live.add(launch.own);
      return launch;
    },
    greet: (spec, program, launch) => greet(spec, program, launch, context, terminals, () => end(launch)),
    discard: end,
  });
  return {
    id: context.id,
    capabilities: CAPABILITIES,
    probe: (signal) => probe(context, signal),
    promptIds: () => ({ uuid: randomUUID() }),
    open: (spec) => programs.open(spec),
    sweep: async () => {
      const ended = await programs.sweep();
      const run = join(context.home, 'run');
      const kept = new Set([...live, ...terminals.directories()]);
      const left = (await readdir(run).catch(() => []))
        .map((name) => join(run, name))
        .filter((path) => !kept.has(path));
      await Promise.all(left.map((path) => rm(path, { recursive: true, force: true })));
      return ended;
    },
    lent: (nativeId) => terminals.find(nativeId),
    close: (graceMs) => {
      terminals.close();
      return programs.close(graceMs);
    },
  };
}

async function greet(
  spec: OpenSpec,
  { process, ready, over }: Program,
  launch: Launch,
  context: BackendContext,
  terminals: LentTerminals,
  onEnd: () => void,
): Promise<ClaudeSession> {
  const { clock, log } = context;
  const { nativeId, origin, configDirectory, places } = launch;
  const instructions = await instructionsOf(spec);
  const connection = new Connection(process);
  let session: ClaudeSession | null = null;
  const reading = connection.read(
    (line) => session?.take(line),
    (text) => {
      if (session) session.notice(text);
      else log.warn({ session: spec.sessionId }, text);
    },
  );
  // How the program has ended says more than what that did to the handshake.
  const hello = handshake(connection, spec, instructions).catch((error: unknown) =>
    connection.isOver ? NEVER : Promise.reject(error),
  );
  const notices = await ready(hello, reading);
  const opened = new ClaudeSession({
    nativeId,
    origin,
    process,
    connection,
    profile: spec.profile,
    places,
    transcript: new Transcript(configDirectory, nativeId),
    clock,
    newUuid: randomUUID,
    // Behind walls there is no terminal of a person.
    lend: spec.isolated ? null : () => lendTo(terminals, spec, nativeId, instructions, context),
    onEnd: (survivors) => {
      onEnd();
      over(survivors);
    },
  });
  session = opened;
  for (const text of notices) opened.notice(text);
  reading
    .then((fault) => opened.outputEnded(fault))
    .catch((err: unknown) => log.error({ err, session: spec.sessionId }, 'the end of a Claude Code was not seen to'));
  return opened;
}

/** @returns what is worth knowing. @throws AppError `backend_version`; `backend_failed` if it would not obey */
async function handshake(
  connection: Connection,
  spec: OpenSpec,
  instructions: string | null,
): Promise<readonly string[]> {
  const extra = instructions === null ? {} : { appendSystemPrompt: instructions };
  const answer = await connection.request({ subtype: 'initialize', hooks: GATE, ...extra }, spec.limitMs);
  const hello = WireHello.safeParse(answer).data;
  if (!hello) throw new AppError('backend_version', 'Claude Code does not tell its version: it is too old or too new');
  const { problem, notice } = checkVersion(hello.claude_code_version);
  if (problem !== null) throw new AppError('backend_version', problem);
  if (hello.current_permission_mode !== 'default' || !hello.hooks_applied || !hello.hook_on_failure_supported) {
    throw new AppError('backend_failed', 'Claude Code would not ask before it runs its tools');
  }
  const unconnected = Object.keys(spec.mcp).length === 0 ? [] : await serversLeftOut(connection);
  return [...(notice === null ? [] : [notice]), ...unconnected];
}

/** Waits until the MCP servers are there or have failed. */
async function serversLeftOut(connection: Connection): Promise<readonly string[]> {
  for (;;) {
    const { mcpServers } = WireMcpStatus.parse(await connection.request({ subtype: 'mcp_status' }, REPLY_LIMIT_MS));
    if (!mcpServers.some(({ status }) => status === 'pending')) {
      const failed = mcpServers.filter(({ status }) => status !== 'connected');
      return failed.map(({ name, status, error }) => `the MCP server "${name}" is not connected: ${error ?? status}`);
    }
    await pause(MCP_PAUSE_MS);
  }
}

/** The project's own are not read by the program while its configuration is off. */
async function instructionsOf({ instructions, project, directory }: OpenSpec): Promise<string | null> {
  const ofProject = project.isTrusted ? null : await projectInstructions(directory, ['CLAUDE.md', 'AGENTS.md']);
  const texts = [instructions, ofProject].filter((text) => text !== null);
  return texts.length === 0 ? null : texts.join('\n\n');
}
