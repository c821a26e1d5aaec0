import { z } from 'zod';
import { Agent } from '../contract/agent.ts';
import { OPERATIONS, type Operation } from '../contract/api.ts';
import { Approval, Grant, PolicyVerdict, ToolCall } from '../contract/approval.ts';
import { Attempt } from '../contract/attempt.ts';
import { FACT_KINDS, FACTS, Fact, FactSubject, StreamMessage } from '../contract/fact.ts';
import { Failure } from '../contract/failure.ts';
import { Message } from '../contract/message.ts';
import { Project } from '../contract/project.ts';
import { FileChange, Plan, Request } from '../contract/request.ts';
import { Session, TranscriptItem } from '../contract/session.ts';
import { Problem, TokenInfo } from '../contract/shapes.ts';
import { Check, Task } from '../contract/task.ts';
import { Usage } from '../contract/usage.ts';
import { PROBLEM_TYPE } from './problem.ts';
import { STREAM_PATH } from './streams.ts';

/** Shapes with a name of their own; all others are written out where they are used. */
const NAMED = {
  Agent,
  Approval,
  Attempt,
  Check,
  Failure,
  FileChange,
  Grant,
  Message,
  Plan,
  PolicyVerdict,
  Problem,
  Project,
  Request,
  Session,
  StreamMessage,
  Task,
  TokenInfo,
  ToolCall,
  TranscriptItem,
  Usage,
} as const;

export type JsonSchema = { readonly [key: string]: unknown };
type Parameter = {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
};
export type DocumentedOperation = {
  readonly operationId: string;
  readonly summary: string;
  readonly 'x-gantry-scope'?: string;
  readonly security?: readonly unknown[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: { readonly 'application/json': { readonly schema: JsonSchema } };
  };
  readonly responses: { readonly [status: string]: JsonSchema };
};
export type OpenApi = {
  readonly openapi: '3.1.0';
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly { readonly url: string }[];
  readonly security: readonly unknown[];
  readonly paths: { readonly [path: string]: { readonly [method: string]: DocumentedOperation } };
  readonly components: { readonly schemas: { readonly [name: string]: JsonSchema }; readonly [part: string]: unknown };
};

const schemaRef = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });
const PROBLEMS = { default: { $ref: '#/components/responses/Problem' } };

/** The OpenAPI 3.1 document of the table of operations, the stream and the health pages. */
export function openApi(version: string): OpenApi {
  const outputs = outputSchemas();
  const paths: Record<string, Record<string, DocumentedOperation>> = {};
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    const path = operation.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: documented(name, operation, outputs.nameOf) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Gantry',
      version,
      description:
        'A self-hosted control plane for coding agents. Lists page by `cursor`; errors are RFC 9457 documents.',
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { cookie: [] }],
    paths: { ...paths, [STREAM_PATH]: { get: STREAM }, ...HEALTH },
    components: {
      schemas: outputs.schemas,
      responses: {
        Problem: {
          description: 'What was wrong; `code` is stable.',
          content: { [PROBLEM_TYPE]: { schema: schemaRef('Problem') } },
        },
      },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A token of `gantry token`.' },
        cookie: { type: 'apiKey', in: 'cookie', name: 'gantry_<port>', description: 'Set by a link of `gantry open`.' },
      },
    },
  };
}

function documented(
  name: string,
  { method, path, scope, summary, status, input, output }: Operation,
  nameOf: (output: z.ZodType, operation: string) => string,
): DocumentedOperation {
  const { properties = {}, required = [] } = inputSchema(input);
  const inPath = new Set([...path.matchAll(/:(\w+)/g)].map(([, key]) => key ?? ''));
  const rest = Object.entries(properties).filter(([key]) => !inPath.has(key));
  const isPost = method === 'POST';
  const parameters: Parameter[] = Object.entries(properties)
    .filter(([key]) => inPath.has(key) || !isPost)
    .map(([key, schema]) => ({
      name: key,
      in: inPath.has(key) ? 'path' : 'query',
      required: inPath.has(key) || required.includes(key),
      schema,
    }));
  const needed = required.filter((key) => !inPath.has(key));
  const body = { type: 'object', properties: Object.fromEntries(rest), required: needed, additionalProperties: false };
  return {
    operationId: name,
    summary,
    'x-gantry-scope': scope,
    parameters: isPost && scope !== 'admin' ? [...parameters, IDEMPOTENCY_KEY] : parameters,
    ...(isPost && { requestBody: { required: needed.length > 0, content: { 'application/json': { schema: body } } } }),
    responses: {
      [status]: {
        description: status === 202 ? 'Accepted; what comes of it arrives as facts.' : 'Done.',
        content: { 'application/json': { schema: schemaRef(nameOf(output, name)) } },
      },
      ...PROBLEMS,
    },
  };
}

const IDEMPOTENCY_KEY: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'A call that is sent again with the same key and input is carried out once.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
};

type ObjectSchema = { readonly properties?: Record<string, JsonSchema>; readonly required?: readonly string[] };

const inputSchema = (input: z.ZodType): ObjectSchema =>
  z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' }) as ObjectSchema;

/** A fact by its kinds: the contract's own schema checks it in code, which no JSON Schema can show. */
const factByKind = () =>
  z.union(
    FACT_KINDS.map((kind) =>
      FactSubject.extend({
        seq: z.number().int().positive(),
        at: z.number(),
        actor: z.string(),
        kind: z.literal(kind),
        data: FACTS[kind],
      }),
    ),
  );

function outputSchemas() {
  const registry = z.registry<{ id: string }>();
  registry.add(factByKind(), { id: 'Fact' });
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });
  const nameOf = (output: z.ZodType, operation: string): string => registry.get(output)?.id ?? `${operation}.output`;
  for (const [name, { output }] of Object.entries(OPERATIONS)) {
    if (!registry.has(output)) registry.add(output, { id: `${name}.output` });
  }
  const { schemas } = z.toJSONSchema(registry, {
    io: 'output',
    unrepresentable: 'any',
    uri: (id) => `#/components/schemas/${id}`,
    override: ({ zodSchema, jsonSchema }) => {
      // The stream's fact is a custom type for speed; it is the same fact.
      if ((zodSchema as unknown) === Fact || zodSchema._zod.def.type === 'custom')
        Object.assign(jsonSchema, schemaRef('Fact'));
      // Fields may be added: a strict reader must not break on them.
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  // In a document of its own form a schema has neither.
  const bare = Object.entries(schemas).map(([name, { $id: _, $schema: __, ...schema }]) => [name, schema]);
  return { schemas: Object.fromEntries(bare) as Record<string, JsonSchema>, nameOf };
}

const query = (name: string, description: string): Parameter => ({
  name,
  in: 'query',
  required: false,
  description,
  schema: { type: 'string' },
});

const STREAM: DocumentedOperation = {
  operationId: 'stream',
  summary: 'The journal as it grows: a WebSocket, or server-sent events by `Accept: text/event-stream`',
  'x-gantry-scope': 'read',
  parameters: [
    query('since', 'The position after which to begin; without it: now. `Last-Event-ID` wins over it.'),
    query('kinds', 'Only these kinds: `a,b`'),
    query('classes', 'Only these classes: `state,observation,stream`'),
    query('actors', 'Only what these caused: `gantry,person`'),
    query('sources', 'Only events of outside programs by these names'),
    ...Object.keys(FactSubject.shape).map((name) => query(name, 'Only facts about this one')),
  ],
  responses: {
    200: {
      description: 'Events `fact`, `gap` and `live`; the id is the position. A WebSocket sends the same messages.',
      content: { 'text/event-stream': { schema: schemaRef('StreamMessage') } },
    },
    ...PROBLEMS,
  },
};

const health = (operationId: string, summary: string, more: Partial<DocumentedOperation>): DocumentedOperation => ({
  operationId,
  summary,
  parameters: [],
  responses: { 200: { description: 'Yes.' }, ...PROBLEMS },
  ...more,
});

const HEALTH = {
  '/healthz': { get: health('healthz', 'The daemon answers', { security: [] }) },
  '/readyz': {
    get: health('readyz', 'The daemon takes work', {
      responses: { 200: { description: 'Yes.' }, 503: { description: 'Not now: `reason`.' }, ...PROBLEMS },
    }),
  },
};
