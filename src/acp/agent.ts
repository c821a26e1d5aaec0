import { randomUUID } from 'node:crypto';
import { isAbsolute } from 'node:path';
import {
  type AgentApp,
  type AgentContext,
  agent,
  PROTOCOL_VERSION,
  RequestError,
  type SessionModeState,
  type StopReason,
} from '@agentclientprotocol/sdk';
import type { Client } from '../client/client.ts';
import type { InputOf } from '../contract/api.ts';
import { type AppError, toAppError } from '../contract/errors.ts';
import type { RequestId } from '../contract/ids.ts';
import { follow } from './follow.ts';
import { addressed, promptText, say } from './words.ts';

const MODES = [
  { id: 'run', name: 'Run', description: 'Plan the request and carry it out' },
  { id: 'plan', name: 'Plan', description: 'Make the plan only' },
  { id: 'single', name: 'Single', description: 'One task for one agent, without a plan' },
] as const;
type ModeId = (typeof MODES)[number]['id'];

/** One conversation of an editor: each prompt is a request in its directory. */
type Talk = { readonly directory: string; mode: ModeId; request: RequestId | null };

/** An editor that opens more has forgotten to close them. */
const MAX_TALKS = 100;

/** Gantry as an agent of an editor that speaks ACP: a client of the daemon like every other door. */
export function acpAgent(
  daemon: Client,
  options: { readonly version: string; readonly request: InputOf<'requests.submit'>['options'] },
): AgentApp {
  const talks = new Map<string, Talk>();
  const talkOf = (sessionId: string): Talk => {
    const talk = talks.get(sessionId);
    if (!talk) throw RequestError.invalidParams({ sessionId }, `there is no session ${sessionId}`);
    return talk;
  };
  return agent({ name: 'gantry' })
    .onRequest('initialize', () => ({
      protocolVersion: PROTOCOL_VERSION,
      agentInfo: { name: 'gantry', title: 'Gantry', version: options.version },
      agentCapabilities: { promptCapabilities: { embeddedContext: true }, sessionCapabilities: { close: {} } },
      authMethods: [],
    }))
    .onRequest('session/new', ({ params }) => {
      const { cwd } = params;
      if (!isAbsolute(cwd)) throw RequestError.invalidParams({ cwd }, 'cwd must be an absolute path');
      if (talks.size >= MAX_TALKS) throw RequestError.invalidRequest({}, `at most ${MAX_TALKS} sessions at once`);
      const sessionId = `acp_${randomUUID()}`;
      const talk: Talk = { directory: cwd, mode: 'run', request: null };
      talks.set(sessionId, talk);
      return { sessionId, modes: modesOf(talk) };
    })
    .onRequest('session/set_mode', ({ params }) => {
      const mode = MODES.find(({ id }) => id === params.modeId);
      const accepted = MODES.map(({ id }) => id).join(', ');
      if (!mode) throw RequestError.invalidParams({}, `there is no mode ${params.modeId}: ${accepted}`);
      talkOf(params.sessionId).mode = mode.id;
      return {};
    })
    .onRequest('session/prompt', async ({ params, client, signal }) => {
      const { sessionId } = params;
      const talk = talkOf(sessionId);
      if (talk.request !== null) throw RequestError.invalidRequest({}, 'the session works on a request already');
      const text = promptText(params.prompt);
      const editor = { sessionId, client, signal };
      try {
        return { stopReason: await answer(daemon, editor, talk, text, options.request) };
      } catch (error) {
        throw toRequestError(toAppError(error));
      } finally {
        talk.request = null;
      }
    })
    .onNotification('session/cancel', async ({ params }) => {
      const request = talks.get(params.sessionId)?.request ?? null;
      if (request !== null) await cancel(daemon, request);
    })
    .onRequest('session/close', async ({ params }) => {
      const { request } = talkOf(params.sessionId);
      talks.delete(params.sessionId);
      if (request !== null) await cancel(daemon, request);
      return {};
    });
}

async function answer(
  daemon: Client,
  editor: { readonly sessionId: string; readonly client: AgentContext; readonly signal: AbortSignal },
  talk: Talk,
  text: string,
  options: InputOf<'requests.submit'>['options'],
): Promise<StopReason> {
  const message = addressed(text);
  if (message) {
    const { id, state } = await daemon.call('messages.send', message);
    const update = say(`${id} to ${message.to}: ${state}`);
    await editor.client.notify('session/update', { sessionId: editor.sessionId, update });
    return 'end_turn';
  }
  // What happens to a request that is not there yet comes after this position.
  const { seq } = await daemon.call('status', {});
  const request = await daemon.call('requests.submit', {
    text,
    project: talk.directory,
    options: {
      ...options,
      isPlanOnly: talk.mode === 'plan',
      isSingleTask: talk.mode === 'single',
      isConversation: talk.mode !== 'single',
    },
  });
  talk.request = request.id;
  return await follow(daemon, editor, request, seq);
}

const cancel = (daemon: Client, id: RequestId): Promise<unknown> =>
  daemon.call('things.cancel', { id, reason: 'cancelled in the editor' });

const modesOf = ({ mode }: Talk): SessionModeState => ({
  currentModeId: mode,
  availableModes: MODES.map((one) => ({ ...one })),
});

/** The daemon's words and code reach the editor. */
const toRequestError = ({ code, message }: AppError): RequestError =>
  new RequestError(INTERNAL_ERROR, message, { code });

const INTERNAL_ERROR = -32603;
