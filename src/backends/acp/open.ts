import { realpath } from 'node:fs/promises';
import {
  type InitializeResponse,
  type NewSessionResponse,
  PROTOCOL_VERSION,
  RequestError,
} from '@agentclientprotocol/sdk/unstable';
import { AppError } from '../../contract/errors.ts';
import type { BackendContext, BackendSession, OpenSpec } from '../backend.ts';
import type { Program } from '../programs.ts';
import { Connection } from './connection.ts';
import { mcpServersOf } from './mcp.ts';
import { Notes, type SessionNotes } from './notes.ts';
import { AcpSession } from './session.ts';
import { applySettings, type Offer } from './settings.ts';
import { SessionView } from './view.ts';

type Opened = {
  readonly nativeId: string;
  readonly origin: BackendSession['origin'];
  readonly offer: Offer;
  readonly known: SessionNotes;
  readonly hasReplay: boolean;
};
type Made = Pick<Opened, 'origin' | 'offer' | 'hasReplay'> & {
  readonly nativeId: string;
  readonly costUsd: number | null;
};

/** Makes or brings back the session that the spec wants, on a program that has just been started. */
export async function openSession(
  spec: OpenSpec,
  { process, ready, over }: Program,
  context: BackendContext,
  onInitialized: (response: InitializeResponse) => void,
  onCost: () => void,
): Promise<AcpSession> {
  const view = new SessionView(spec.directory);
  let session: AcpSession | null = null;
  const early: string[] = [];
  const connection = new Connection(process, {
    update: (update, sessionId) => {
      if (session === null) view.take(update);
      else if (sessionId === session.nativeId) session.update(update);
      if (view.costUsd !== null) onCost();
    },
    // Before the first prompt nothing is asked.
    permission: (request) => session?.permission(request) ?? Promise.resolve({ outcome: 'cancelled' }),
    notice: (text) => {
      if (session) session.notice(text);
      else early.push(text);
    },
  });
  const notes = new Notes(context.home);
  const opening = initialized(connection, onInitialized).then((response) =>
    open(spec, connection, response, notes, view, (text) => early.push(text)),
  );
  const { nativeId, origin, offer, known, hasReplay } = await ready(opening, connection.ended);
  await ready(applySettings(connection.agent, nativeId, offer, spec, context), connection.ended);
  await notes.write(known);
  const isNew = origin.type === 'new' || origin.type === 'new-instead';
  const opened = new AcpSession({
    nativeId,
    origin,
    process,
    connection,
    view,
    profile: spec.profile,
    directory: spec.directory,
    instructions: isNew ? spec.instructions : null,
    notes,
    known,
    hasReplay,
    onEnd: over,
  });
  session = opened;
  for (const text of early) opened.notice(text);
  connection.ended
    .then((fault) => opened.outputEnded(fault))
    .catch((err: unknown) =>
      context.log.error({ err, session: spec.sessionId }, 'the end of an agent was not seen to'),
    );
  return opened;
}

/** @throws AppError `backend_version`, `backend_failed` */
export async function initialized(
  connection: Connection,
  onInitialized: (response: InitializeResponse) => void,
): Promise<InitializeResponse> {
  const response = await told(connection.initialize());
  const { protocolVersion } = response;
  if (protocolVersion !== PROTOCOL_VERSION) {
    const versions = `the agent speaks version ${protocolVersion} of ACP; this Gantry speaks ${PROTOCOL_VERSION}`;
    throw new AppError('backend_version', versions);
  }
  onInitialized(response);
  return response;
}

async function open(
  spec: OpenSpec,
  { agent }: Connection,
  { agentCapabilities, authMethods = [] }: InitializeResponse,
  notes: Notes,
  view: SessionView,
  notice: (text: string) => void,
): Promise<Opened> {
  const { from } = spec;
  const place = { cwd: spec.directory, mcpServers: mcpServersOf(spec.mcp, agentCapabilities?.mcpCapabilities, notice) };
  const directory = await realpath(spec.directory);
  const old = from.type === 'new' ? null : await notes.read(from.nativeId);
  const create = async (origin: BackendSession['origin']): Promise<Made> => {
    const made: NewSessionResponse = await told(agent.request('session/new', place), authMethods);
    return { nativeId: made.sessionId, origin, offer: made, hasReplay: true, costUsd: 0 };
  };
  const bringBack = async (nativeId: string): Promise<Pick<Made, 'offer' | 'hasReplay'> | string> => {
    const hasReplay = agentCapabilities?.loadSession ?? false;
    const method = hasReplay ? 'session/load' : 'session/resume';
    if (!hasReplay && !agentCapabilities?.sessionCapabilities?.resume) return 'the agent cannot resume sessions';
    try {
      return { offer: (await agent.request(method, { sessionId: nativeId, ...place })) ?? {}, hasReplay };
    } catch (error) {
      if (error instanceof RequestError) return `the agent did not resume the session ${nativeId}: ${error.message}`;
      throw error;
    }
  };
  const make = async (): Promise<Made> => {
    if (from.type === 'new') return await create({ type: 'new' });
    const id = from.nativeId;
    if (!old) return await create({ type: 'new-instead', reason: `the session ${id} was not made here` });
    if (old.directory !== directory) {
      return await create({ type: 'new-instead', reason: `the session ${id} works in ${old.directory}` });
    }
    if (from.type === 'fork') {
      const fork = await told(agent.request('session/fork', { sessionId: id, ...place }));
      // The copied part of the conversation is told by a replay only.
      await bringBack(fork.sessionId);
      return {
        nativeId: fork.sessionId,
        origin: { type: 'forked' },
        offer: fork,
        hasReplay: true,
        costUsd: view.costUsd,
      };
    }
    const back = await bringBack(id);
    if (typeof back === 'string') return await create({ type: 'new-instead', reason: back });
    return { nativeId: id, origin: { type: 'resumed' }, costUsd: old.costUsd, ...back };
  };
  const { costUsd, ...made } = await make();
  const prompts = made.origin.type === 'resumed' && old ? old.prompts : [];
  view.beginTurn();
  return { ...made, known: { nativeId: made.nativeId, directory, costUsd, prompts } };
}

/** @throws AppError `backend_failed` with the agent's words */
export async function told<T>(answer: Promise<T>, logins: InitializeResponse['authMethods'] = []): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const names = (logins ?? []).map(({ name }) => name).join(', ');
    const remedy =
      error.code === AUTH_REQUIRED ? `; log in with the agent's own program first (${names || 'no way told'})` : '';
    throw new AppError('backend_failed', `the agent refused: ${error.message}${remedy}`, { cause: error });
  }
}

const AUTH_REQUIRED = -32000;
