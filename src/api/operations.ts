import type { HttpBindings } from '@hono/node-server';
import type { Context, Hono } from 'hono';
import { z } from 'zod';
import { OPERATIONS, type Operation, type OperationName } from '../contract/api.ts';
import type { Caller } from '../contract/caller.ts';
import { AppError } from '../contract/errors.ts';
import { type Authenticated, authorize } from './auth.ts';
import { type BodyLimits, readJson } from './body.ts';
import type { Handlers } from './handlers.ts';
import type { IdempotentRuns } from './idempotency.ts';

export type ApiEnv = { Bindings: HttpBindings; Variables: { verified: Authenticated } };
type ApiContext = Context<ApiEnv>;

export type OperationParts = {
  readonly handlers: Handlers;
  readonly runs: IdempotentRuns;
  readonly bodyLimits: BodyLimits;
  /** Called when an operation that may change rights is done. */
  readonly onRightsChanged: () => void;
};

/** A route for every row of the contract's table. */
export function addOperations(app: Hono<ApiEnv>, parts: OperationParts): void {
  const methods = new Map<string, string[]>();
  for (const [name, operation] of Object.entries(OPERATIONS) as [OperationName, Operation][]) {
    methods.set(operation.path, [...(methods.get(operation.path) ?? []), operation.method]);
    // Unknown names are refused, not dropped: a misspelt option must not pass for an absent one.
    const input = operation.input.strict();
    app.on(operation.method, operation.path, (context) => answer(context, { name, operation, input }, parts));
  }
  for (const [path, allowed] of methods) app.all(path, (context) => refuseMethod(context, allowed));
}

/** @throws AppError method_not_allowed */
export function refuseMethod(context: ApiContext, allowed: readonly string[]): never {
  context.header('Allow', allowed.join(', '));
  throw new AppError('method_not_allowed', `${context.req.path} takes ${allowed.join(', ')}`);
}

type Row = { readonly name: OperationName; readonly operation: Operation; readonly input: z.ZodType };

async function answer(context: ApiContext, { name, operation, input }: Row, parts: OperationParts): Promise<Response> {
  const verified = context.get('verified');
  authorize(verified, operation);
  const given = await readInput(context, operation, parts.bodyLimits);
  const parsed = parse(input, given, operation);
  const run = async (): Promise<string> => {
    // The table's type ties name, input and handler together; a value that runs over the table cannot show that.
    const handler = parts.handlers[name] as (input: unknown, caller: Caller) => unknown;
    return JSON.stringify(await handler(parsed, verified.caller));
  };
  const body = await keyed(context, { name, operation, parsed }, run, parts.runs);
  if (operation.scope === 'admin') parts.onRightsChanged();
  return context.body(body, operation.status, { 'Content-Type': 'application/json' });
}

type Called = { readonly name: OperationName; readonly operation: Operation; readonly parsed: unknown };

async function keyed(
  context: ApiContext,
  { name, operation, parsed }: Called,
  run: () => Promise<string>,
  runs: IdempotentRuns,
): Promise<string> {
  const key = context.req.header('Idempotency-Key');
  if (key === undefined || operation.method !== 'POST') return await run();
  if (operation.scope === 'admin') {
    throw new AppError(
      'bad_request',
      `${name} takes no Idempotency-Key: its answer may hold a secret, which is not kept`,
    );
  }
  const { body, isReplayed } = await runs.run(`${context.get('verified').tokenId} ${name}`, key, parsed, run);
  if (isReplayed) context.header('Idempotency-Replayed', 'true');
  return body;
}

async function readInput(context: ApiContext, operation: Operation, limits: BodyLimits): Promise<object> {
  const query = queryOf(new URL(context.req.url).searchParams);
  const body = await readJson(context.env.incoming, limits);
  const isPost = operation.method === 'POST';
  const unused = isPost ? Object.keys(query)[0] : body;
  if (unused !== undefined) {
    const rule = isPost ? 'its input in the JSON body, not in the query' : 'its input in the query, not in a body';
    throw new AppError('bad_request', `${operation.method} ${operation.path} takes ${rule}`);
  }
  if (body !== undefined && (body === null || typeof body !== 'object' || Array.isArray(body))) {
    throw new AppError('bad_request', 'the body must be a JSON object');
  }
  const given = isPost ? (body ?? {}) : query;
  const fromPath = context.req.param();
  const twice = Object.keys(fromPath).find((name) => Object.hasOwn(given, name));
  if (twice !== undefined) throw new AppError('bad_request', `\`${twice}\` is given by the path`);
  return { ...given, ...fromPath };
}

/** A name that comes once is a text, one that comes again a list. */
export function queryOf(search: URLSearchParams): Record<string, string | string[]> {
  const names = [...new Set(search.keys())];
  return Object.fromEntries(
    names.map((name) => {
      const values = search.getAll(name);
      return [name, values.length === 1 ? (values[0] ?? '') : values];
    }),
  );
}

/** A caller corrects one mistake after another: more than this many at once is noise. */
const MAX_ISSUES = 20;

/** @throws AppError bad_request with `issues` */
export function parse<T>(schema: z.ZodType<T>, given: unknown, operation?: Operation): T {
  const result = schema.safeParse(given, { reportInput: false });
  if (result.success) return result.data;
  const issues = result.error.issues.slice(0, MAX_ISSUES).map((issue) => ({
    path: z.core.toDotPath(issue.path),
    message:
      issue.code === 'unrecognized_keys' && issue.path.length === 0 && operation
        ? `${issue.message}; accepted: ${Object.keys(operation.input.shape).join(', ') || 'none'}`
        : issue.message,
  }));
  const detail = issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
  throw new AppError('bad_request', detail.slice(0, 2_000), { details: { issues } });
}
