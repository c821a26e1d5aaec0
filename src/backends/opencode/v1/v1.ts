import { z } from 'zod';
import type { McpServer } from '../../backend.ts';
import type { Dialect, NativeAsk, NativePrompt } from '../dialect.ts';
import { type Http, type HttpAnswer, HttpFailure } from '../http.ts';
import { rulesOf } from '../permissions.ts';
import { decodeFrame, entryOf, permissionAskOf, questionAskOf, sessionOf, todosOf } from './decode.ts';
import { SESSION_METADATA_KEY, WireAgents, WireStatus } from './wire.ts';

/** What this was written and tested with. */
export const TESTED_VERSION = '1.18.33';
/** A prompt and an abort wait for a loaded server; a lost answer is settled by sending the same ids again. */
const PROMPT_LIMIT_MS = 60_000;
/** The first request of a directory installs the plugins of the user's configuration; whoever opens has a limit of his own. */
const BOOT_LIMIT_MS = 300_000;
const DISPOSE_LIMIT_MS = 10_000;
/** Starting the servers of an MCP configuration. */
const MCP_LIMIT_MS = 60_000;
const QUESTION_PREFIX = 'que_';

/** OpenCode 1.x over HTTP: its routes and shapes. A wrong `directory` gives a wrong answer on most routes, never an error. */
export function dialectV1(http: Http): Dialect {
  const commands = commandsOf(http);
  return {
    eventPath: '/global/event',
    decode: decodeFrame,
    ...sessionCommands(commands),
    ...askCommands(commands),
    ...directoryCommands(commands),
  };
}

type Query = Readonly<Record<string, string | undefined>>;
type Commands = {
  readonly get: (path: string, query?: Query, limitMs?: number) => Promise<HttpAnswer>;
  readonly post: (path: string, directory?: string, body?: unknown, limitMs?: number) => Promise<HttpAnswer>;
  readonly patch: (path: string, body: unknown) => Promise<HttpAnswer>;
  readonly remove: (path: string) => Promise<HttpAnswer>;
};

const commandsOf = (http: Http): Commands => ({
  get: (path, query = {}, limitMs) => http.send({ path, query, ...(limitMs === undefined ? {} : { limitMs }) }),
  post: (path, directory, body, limitMs) =>
    http.send({ method: 'POST', path, query: { directory }, body, ...(limitMs === undefined ? {} : { limitMs }) }),
  patch: (path, body) => http.send({ method: 'PATCH', path, body }),
  remove: (path) => http.send({ method: 'DELETE', path }),
});

type SessionCommand =
  | 'createSession'
  | 'session'
  | 'findSession'
  | 'forkSession'
  | 'children'
  | 'busy'
  | 'messages'
  | 'message'
  | 'todo'
  | 'prompt'
  | 'abort'
  | 'deleteSession';

function sessionCommands({ get, post, patch, remove }: Commands): Pick<Dialect, SessionCommand> {
  return {
    createSession: async ({ directory, title, model, gantrySession, rules }) => {
      const body = {
        title,
        metadata: { [SESSION_METADATA_KEY]: gantrySession },
        ...(model === null ? {} : { model: { providerID: providerOf(model), id: modelOf(model) } }),
        ...(rules === null ? {} : { permission: rulesOf(rules) }),
      };
      return sessionOf((await post('/session', directory, body)).body);
    },
    session: async (id) =>
      orIfMissing(
        get(`/session/${id}`).then(({ body }) => sessionOf(body)),
        null,
      ),
    findSession: async (directory, gantrySession) => {
      const { body } = await get('/session', { directory, roots: 'true', limit: '1000' });
      const found = z.array(z.unknown()).parse(body).map(sessionOf);
      // A fork copies the metadata until it gets its own: the oldest is the one that was made for it.
      return found
        .filter((s) => s.gantrySession === gantrySession && s.parentId === null)
        .reduce<(typeof found)[number] | null>((a, b) => (a && a.createdAt <= b.createdAt ? a : b), null);
    },
    forkSession: async (id, { directory, title, gantrySession, rules }) => {
      const fork = sessionOf((await post(`/session/${id}/fork`, undefined, {})).body);
      // It stands where the old one does, whatever directory is asked for (1.18.33). Within the same project it can be moved.
      if (fork.directory !== directory)
        await post('/experimental/control-plane/move-session', undefined, {
          sessionID: fork.id,
          destination: { directory },
          moveChanges: false,
        });
      const body = {
        title,
        metadata: { [SESSION_METADATA_KEY]: gantrySession },
        ...(rules === null ? {} : { permission: rulesOf(rules) }),
      };
      return sessionOf((await patch(`/session/${fork.id}`, body)).body);
    },
    children: async (id) =>
      z
        .array(z.unknown())
        .parse((await get(`/session/${id}/children`)).body)
        .map(sessionOf),
    busy: async (directory) => {
      const { body } = await get('/session/status', { directory });
      const all = Object.entries(z.record(z.string(), WireStatus).parse(body));
      return new Set(all.flatMap(([id, status]) => (status.type === 'idle' ? [] : [id])));
    },
    messages: async (id, { limit, before }) => {
      const { body, headers } = await get(`/session/${id}/message`, { limit: `${limit}`, before: before ?? undefined });
      return { entries: z.array(z.unknown()).parse(body).map(entryOf), next: headers.get('x-next-cursor') };
    },
    message: async (id, messageId) =>
      orIfMissing(
        get(`/session/${id}/message/${messageId}`).then(({ body }) => entryOf(body)),
        null,
      ),
    todo: async (id) => todosOf((await get(`/session/${id}/todo`)).body),
    prompt: async (id, prompt) => {
      await post(`/session/${id}/prompt_async`, undefined, promptBody(prompt), PROMPT_LIMIT_MS);
    },
    abort: async (id) => {
      await orIfMissing(post(`/session/${id}/abort`, undefined, undefined, PROMPT_LIMIT_MS), null);
    },
    deleteSession: async (id) => {
      await orIfMissing(remove(`/session/${id}`), null);
    },
  };
}

function askCommands({ get, post }: Commands): Pick<Dialect, 'asks' | 'allow' | 'deny' | 'reply'> {
  const ask = (askId: string, verb: 'reply' | 'reject'): string =>
    `/${askId.startsWith(QUESTION_PREFIX) ? 'question' : 'permission'}/${askId}/${verb}`;
  const answer = (path: string, directory: string, body?: unknown): Promise<'taken' | 'gone'> =>
    orIfMissing(
      post(path, directory, body).then(() => 'taken' as const),
      'gone',
    );
  return {
    asks: async (directory) => {
      try {
        const [permissions, questions] = await Promise.all([
          get('/permission', { directory }),
          get('/question', { directory }),
        ]);
        const list = ({ body }: HttpAnswer, of: (value: unknown) => NativeAsk): NativeAsk[] =>
          z.array(z.unknown()).parse(body).map(of);
        return [...list(permissions, permissionAskOf), ...list(questions, questionAskOf)];
      } catch (error) {
        // A pending glob, grep or webfetch without its optional argument makes the list unreadable (1.18.33).
        if (error instanceof HttpFailure && error.status === 400) return null;
        throw error;
      }
    },
    allow: (askId, directory) => answer(ask(askId, 'reply'), directory, { reply: 'once' }),
    deny: (askId, directory, reason) =>
      askId.startsWith(QUESTION_PREFIX)
        ? answer(ask(askId, 'reject'), directory, undefined)
        : answer(ask(askId, 'reply'), directory, { reply: 'reject', message: reason }),
    reply: (askId, directory, answers) => answer(ask(askId, 'reply'), directory, { answers }),
  };
}

type DirectoryCommand = 'agents' | 'hasModel' | 'addMcp' | 'disposeDirectory' | 'disposeAll';

function directoryCommands({ get, post }: Commands): Pick<Dialect, DirectoryCommand> {
  return {
    agents: async (directory) => {
      const { body } = await get('/agent', { directory }, BOOT_LIMIT_MS);
      return WireAgents.parse(body).flatMap(({ name, hidden, permission }) =>
        hidden === true ? [] : [{ name, rules: permission }],
      );
    },
    hasModel: async (directory, model) => {
      const { body } = await get('/config/providers', { directory });
      const { providers } = WireProviders.parse(body);
      return providers.some((p) => p.id === providerOf(model) && modelOf(model) in p.models);
    },
    addMcp: async (directory, name, server, blank) => {
      const { body } = await post('/mcp', directory, { name, config: mcpOf(server, blank) }, MCP_LIMIT_MS);
      const status = WireMcp.parse(body)[name];
      return status?.status === 'connected' ? null : (status?.error ?? status?.status ?? 'not listed');
    },
    disposeDirectory: async (directory) => {
      await post('/instance/dispose', directory, undefined, DISPOSE_LIMIT_MS);
    },
    disposeAll: async (limitMs) => {
      await post('/global/dispose', undefined, undefined, limitMs);
    },
  };
}

const WireProviders = z.object({
  providers: z.array(z.object({ id: z.string(), models: z.record(z.string(), z.unknown()) })),
});
const WireMcp = z.record(z.string(), z.object({ status: z.string(), error: z.string().optional() }));

const providerOf = (model: string): string => model.split('/', 1)[0] ?? '';
const modelOf = (model: string): string => model.slice(model.indexOf('/') + 1);

function promptBody({ messageId, partId, text, model, agent, system }: NativePrompt): unknown {
  return {
    messageID: messageId,
    parts: [{ id: partId, type: 'text', text }],
    ...(model === null ? {} : { model: { providerID: providerOf(model), modelID: modelOf(model) } }),
    ...(agent === null ? {} : { agent }),
    ...(system === null ? {} : { system }),
  };
}

/** As session rules: the last match decides, so the one for every tool comes first. */
function mcpOf(server: McpServer, blank: readonly string[]): unknown {
  if (server.type === 'remote') return { type: 'remote', url: server.url, headers: server.headers, oauth: false };
  const environment = { ...Object.fromEntries(blank.map((name) => [name, ''])), ...server.environment };
  return { type: 'local', command: server.command, environment };
}

async function orIfMissing<T, U>(promise: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof HttpFailure && error.status === 404) return otherwise;
    throw error;
  }
}
