import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Client } from '../client/client.ts';
import { RequestId } from '../contract/ids.ts';
import type { ToolContext, ToolDefinition } from './native.ts';
import type { Requests } from './requests.ts';
import { requestWords } from './words.ts';

const CALL_LIMIT_MS = 30_000;
const PLAN_LIMIT_S = 120;
const WAIT_DEFAULT_S = 120;
const WAIT_MOST_S = 600;
const LOOK_EVERY_MS = 500;
const SHOWN = 5;

const requestId = z.string().describe('The id of a request: req_…');
const words = z.string().min(1).describe('What is to be done, in words');

type Parts = { readonly client: () => Promise<Client>; readonly requests: Requests; readonly directory: string };

/** Defines a tool whose arguments are checked here as well: OpenCode's check is of another version of Zod. */
function tool<A extends z.ZodRawShape>(
  description: string,
  args: A,
  execute: (args: z.output<z.ZodObject<A>>, context: ToolContext) => Promise<string>,
): ToolDefinition {
  return {
    description,
    args: args as unknown as ToolDefinition['args'],
    // What went wrong is the answer: a model can read it and go on.
    execute: async (given, context) => {
      try {
        return await execute(z.object(args).parse(given), context);
      } catch (error) {
        return `Gantry: ${error instanceof Error ? error.message : String(error)}`;
      }
    },
  };
}

/** The tools that a session's own model has. None of them can answer an approval. */
export const createTools = (parts: Parts): Record<string, ToolDefinition> => ({
  ...workTools(parts),
  ...lookTools(parts),
});

const workTools = (parts: Parts): Record<string, ToolDefinition> => ({
  gantry_plan: tool(
    'Lets Gantry plan work into tasks with dependencies and success criteria. Nothing is carried out.',
    { request: words },
    async ({ request }, context) => {
      const id = await submit(parts, request, context, true);
      const plan = await lookUntil(parts, id, context, PLAN_LIMIT_S, ({ state }) => state !== 'planning');
      return `${plan}\nTo have it carried out: gantry_run with request_id ${id}.`;
    },
  ),
  gantry_run: tool(
    'Has Gantry carry work out by agents in git worktrees of their own: either new work in words, or a request that was planned. Returns at once.',
    { request: words.optional(), request_id: requestId.optional() },
    async ({ request, request_id: planned }, context) => {
      if ((request === undefined) === (planned === undefined)) return 'Give either request or request_id.';
      if (request !== undefined) return `Started as ${await submit(parts, request, context, false)}. See gantry_wait.`;
      const client = await parts.client();
      const started = await client.call('requests.execute', { id: RequestId.parse(planned) }, limited(context));
      parts.requests.adopt(context.sessionID, started);
      return `Request ${started.id} is ${started.state}. See gantry_wait.`;
    },
  ),
  gantry_cancel: tool(
    'Cancels a request: its agents are stopped, their work is kept.',
    { request_id: requestId, reason: z.string().max(1_000).optional() },
    async ({ request_id: id, reason }, context) => {
      const client = await parts.client();
      const { state } = await client.call('things.cancel', { id: RequestId.parse(id), reason }, limited(context));
      return `Request ${id} is ${state}.`;
    },
  ),
  gantry_send: tool(
    'Sends a message to one of Gantry’s agents; it reads it with its next turn.',
    { agent: z.string().describe('Its address: project/role/name'), text: z.string().min(1) },
    async ({ agent, text }, context) => {
      const client = await parts.client();
      const sent = await client.call('messages.send', { to: agent, text }, limited(context));
      return `Message ${sent.id} to ${agent} is ${sent.state}.`;
    },
  ),
});

const lookTools = (parts: Parts): Record<string, ToolDefinition> => ({
  gantry_status: tool(
    'How a request stands; without an id, the requests of this conversation, else the newest ones of this project.',
    { request_id: requestId.optional() },
    async ({ request_id: id }, context) => {
      if (id !== undefined) return (await look(parts, id, context)).text;
      const own = parts.requests.ofSession(context.sessionID).map(({ request }) => request.id);
      if (own.length > 0) {
        const seen = await Promise.all(own.slice(-SHOWN).map((one) => look(parts, one, context)));
        return seen.map(({ text }) => text).join('\n\n');
      }
      const client = await parts.client();
      const { items } = await client.call(
        'requests.list',
        { project: parts.directory, limit: SHOWN },
        limited(context),
      );
      return items.map((item) => requestWords(item, [])).join('\n\n') || 'Gantry has no requests for this project.';
    },
  ),
  gantry_wait: tool(
    'Waits until a request has ended or needs a person, at most so many seconds, and tells how it stands.',
    { request_id: requestId, seconds: z.number().int().min(1).max(WAIT_MOST_S).default(WAIT_DEFAULT_S) },
    async ({ request_id: id, seconds }, context) =>
      await lookUntil(
        parts,
        id,
        context,
        seconds,
        ({ state, isAsked }) => isAsked || !['planning', 'running', 'paused'].includes(state),
      ),
  ),
});

type Look = { readonly text: string; readonly state: string; readonly isAsked: boolean };

const limited = ({ abort }: ToolContext): { readonly signal: AbortSignal } => ({
  signal: AbortSignal.any([abort, AbortSignal.timeout(CALL_LIMIT_MS)]),
});

/** Asks the daemon, so that it also tells of requests that this process does not follow. */
async function look({ client }: Parts, id: string, context: ToolContext): Promise<Look> {
  const detail = await (await client()).call('requests.get', { id: RequestId.parse(id) }, limited(context));
  const waiting = detail.approvals.filter(({ state }) => state === 'pending');
  const asked = waiting.map((one) => `A person must answer ${one.id}: gantry approve ${one.id}, or gantry deny.`);
  const text = [requestWords(detail.request, detail.tasks), ...asked].join('\n');
  return { text, state: detail.request.state, isAsked: waiting.length > 0 };
}

async function lookUntil(
  parts: Parts,
  id: string,
  context: ToolContext,
  seconds: number,
  isEnough: (seen: Look) => boolean,
): Promise<string> {
  const end = performance.now() + seconds * 1_000;
  for (;;) {
    const seen = await look(parts, id, context);
    if (isEnough(seen)) return seen.text;
    if (context.abort.aborted || performance.now() >= end) return `${seen.text}\nIt goes on.`;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** A call that OpenCode repeats makes one request. */
async function submit({ requests }: Parts, text: string, context: ToolContext, isPlanOnly: boolean): Promise<string> {
  const { sessionID, messageID } = context;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  const key = `opencode:${messageID}:${isPlanOnly ? 'plan' : 'run'}:${hash}`;
  return (await requests.submit(sessionID, text, isPlanOnly, key)).request.id;
}
