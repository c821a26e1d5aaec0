import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { EXPOSITION_TYPE, exposition, type Family, gauge } from '../base/exposition.ts';
import type { Log } from '../base/log.ts';
import { AppError, ERRORS, toAppError } from '../contract/errors.ts';
import type { Access } from './access.ts';
import { type Asset, dashboardAsset, dashboardPage, style } from './assets.ts';
import { authenticate, authorize } from './auth.ts';
import { Calls } from './calls.ts';
import type { EventDoor } from './events/door.ts';
import type { FactPages } from './fact-pages.ts';
import { docsPage, loginPage } from './html.ts';
import { answerHealth, answerMcp, HEALTH_PATH, MCP_PATH, type McpHttp } from './mcp.ts';
import { openApi } from './openapi.ts';
import { type ApiEnv, addOperations, type OperationParts, refuseMethod } from './operations.ts';
import { PROBLEM_TYPE, problemOf } from './problem.ts';
import { checkSite } from './site.ts';
import { parseStreamQuery } from './stream-query.ts';
import { STREAM_PATH, type Streams } from './streams.ts';

export type AppParts = OperationParts & {
  readonly access: Access;
  readonly hosts: ReadonlySet<string>;
  readonly cookie: string;
  readonly version: string;
  /** Why the daemon cannot take work now, in words; null if it can. */
  readonly notReady: () => string | null;
  readonly streams: Streams;
  readonly facts: FactPages;
  readonly log: Log;
  /** What the daemon measures beside the calls and streams of this server. */
  readonly metrics: () => Promise<readonly Family[]>;
  readonly door: Pick<EventDoor, 'families'>;
  /** Absent: there is no such door. */
  readonly mcp?: McpHttp | undefined;
};

const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const;

/** Every path of the daemon but the WebSocket upgrade. */
export function makeApp(parts: AppParts): Hono<ApiEnv> {
  const { mcp } = parts;
  const app = new Hono<ApiEnv>();
  const calls = new Calls();
  app.use(calls.count);
  app.use(async (context, next) => {
    for (const [name, value] of Object.entries(HEADERS)) context.header(name, value);
    checkSite(context.env.incoming.headers, parts.hosts);
    await next();
  });
  get(app, '/healthz', (context) => context.json({ ok: true, version: parts.version }));
  get(app, '/login', (context) => logIn(context, parts));
  const sheet = once(style);
  get(app, '/style.css', (context) => sendAsset(context, sheet()));
  if (mcp) get(app, HEALTH_PATH, (context) => answerHealth(context, mcp));
  app.use(async (context, next) => {
    const { headers, method } = context.env.incoming;
    const isChanging = method !== 'GET' && method !== 'HEAD';
    context.set('verified', authenticate({ headers, isChanging }, parts.access, parts.cookie));
    await next();
  });
  get(app, '/readyz', (context) => {
    const reason = parts.notReady();
    return context.json({ ok: reason === null, reason }, reason === null ? 200 : 503);
  });
  get(app, STREAM_PATH, (context) => openEvents(context, parts));
  get(app, '/metrics', async (context) => {
    authorize(context.get('verified'), { scope: 'read' });
    const readers = gauge('gantry_stream_readers', 'Open streams of the journal.', [[{}, parts.streams.count]]);
    const families = [...(await parts.metrics()), readers, ...calls.families(), ...parts.door.families()];
    return context.body(exposition(families), 200, { 'Content-Type': EXPOSITION_TYPE });
  });
  if (mcp) app.all(MCP_PATH, (context) => answerMcp(context, mcp));
  addPages(app, parts);
  addOperations(app, parts);
  app.notFound((context) => answerProblem(context, new AppError('not_found', `there is no path ${context.req.path}`)));
  app.onError((thrown, context) => {
    const error = toAppError(thrown);
    if (ERRORS[error.code].status >= 500) parts.log.error({ err: thrown, path: context.req.path }, 'a call failed');
    if (mcp && context.req.path === MCP_PATH) return mcp.refuse(error);
    return isPerson(context) && error.code === 'unauthorized'
      ? page(context, loginPage(error.message), 401)
      : answerProblem(context, error);
  });
  return app;
}

const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; img-src data:; " +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

function page(context: Context<ApiEnv>, body: string | Promise<string>, status: 200 | 401 = 200) {
  context.header('Content-Security-Policy', PAGE_POLICY);
  return context.html(body, status);
}

/** A browser that shows a page, not a program. */
const isPerson = (context: Context): boolean => /\btext\/html\b/.test(context.req.header('Accept') ?? '');

function addPages(app: Hono<ApiEnv>, { version }: AppParts): void {
  const document = once(() => openApi(version));
  get(app, '/openapi.json', (context) => context.json(document()));
  get(app, '/docs', (context) => page(context, docsPage(document())));
  get(app, '/', (context) => sendAsset(context, dashboardPage()));
  get(app, '/assets/:name', (context) => sendAsset(context, dashboardAsset(context.req.param('name') ?? '')));
}

function sendAsset(context: Context<ApiEnv>, { content, type, isImmutable }: Asset): Response {
  context.header('Content-Security-Policy', PAGE_POLICY);
  if (isImmutable) context.header('Cache-Control', 'private, max-age=31536000, immutable');
  return context.body(content, 200, { 'Content-Type': type });
}

/** Made when it is first asked for: most daemons are never looked at by browser. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

type Answer = (context: Context<ApiEnv>) => Response | Promise<Response>;

function get(app: Hono<ApiEnv>, path: string, answer: Answer): void {
  app.get(path, answer);
  app.all(path, (context) => refuseMethod(context, ['GET']));
}

function openEvents(context: Context<ApiEnv>, { streams, facts }: AppParts): Response {
  const verified = context.get('verified');
  authorize(verified, { scope: 'read' });
  if (context.env.incoming.method !== 'GET') refuseMethod(context, ['GET']);
  if (!/\btext\/event-stream\b/.test(context.req.header('Accept') ?? '')) {
    throw new AppError('bad_request', 'the stream is a WebSocket, or server-sent events by Accept: text/event-stream');
  }
  const { since, filter } = parseStreamQuery(context.env.incoming);
  streams.requireRoom();
  const { outgoing } = context.env;
  for (const [name, value] of Object.entries(HEADERS)) outgoing.setHeader(name, value);
  streams.openEvents(outgoing, { source: facts.source(filter), since }, verified.isStillValid);
  return RESPONSE_ALREADY_SENT;
}

function logIn(context: Context<ApiEnv>, { access, cookie }: AppParts): Response {
  const session = access.redeemLogin(context.req.query('code') ?? '');
  if (session === null) {
    throw new AppError('unauthorized', 'the link was used or is too old: make a new one with `gantry open`');
  }
  const expires = new Date(session.expiresAt).toUTCString();
  context.header('Set-Cookie', `${cookie}=${session.secret}; HttpOnly; SameSite=Strict; Path=/; Expires=${expires}`);
  return context.redirect('/', 303);
}

export function answerProblem(context: Context, error: AppError): Response {
  const problem = problemOf(error);
  if (error.code === 'unauthorized') context.header('WWW-Authenticate', 'Bearer realm="gantry"');
  return context.body(JSON.stringify(problem), problem.status as 400, { 'Content-Type': PROBLEM_TYPE });
}
