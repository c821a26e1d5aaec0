import type { Attempt } from '../../contract/attempt.ts';
import type { Request } from '../../contract/request.ts';
import type { Session } from '../../contract/session.ts';
import type { Task } from '../../contract/task.ts';
import type { Usage } from '../../contract/usage.ts';

/**
 * What is told of each thing, by the names of OpenTelemetry's semantic conventions for generative AI (`gen_ai.*`, still in
 * development: https://opentelemetry.io/docs/specs/semconv/gen-ai/) where they have one. This file is the only place
 * that knows those names. No prompt, answer, command or path is told.
 */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

export type Described = { readonly name: string; readonly attributes: Attributes };

/** Unknown costs are left out, never 0. */
const usageOf = (usage: Usage): Attributes => ({
  'gen_ai.usage.input_tokens': usage.inputTokens,
  'gen_ai.usage.output_tokens': usage.outputTokens,
  'gen_ai.usage.reasoning.output_tokens': usage.reasoningTokens,
  'gen_ai.usage.cache_read.input_tokens': usage.cacheReadTokens,
  'gen_ai.usage.cache_creation.input_tokens': usage.cacheWriteTokens,
  'gantry.cost_usd': usage.costUsd ?? undefined,
});

/** `anthropic/claude-x` is a model of a provider. */
function modelOf(model: string | null): Attributes {
  if (model === null) return {};
  const [provider, ...rest] = model.split('/');
  return rest.length === 0
    ? { 'gen_ai.request.model': model }
    : { 'gen_ai.provider.name': provider, 'gen_ai.request.model': rest.join('/') };
}

export const requestSpan = ({ id, projectId, state, usage, failure }: Request): Described => ({
  name: 'gantry.request',
  attributes: {
    'gen_ai.operation.name': 'invoke_workflow',
    'gantry.request.id': id,
    'gantry.project.id': projectId,
    'gantry.state': state,
    'error.type': failure?.class,
    ...usageOf(usage),
  },
});

export const taskSpan = ({ id, label, role, backend, state, attempts, failure, usage }: Task): Described => ({
  name: `gantry.task ${label}`,
  attributes: {
    'gantry.task.id': id,
    'gantry.task.label': label,
    'gantry.role': role,
    'gantry.backend': backend,
    'gantry.state': state,
    'gantry.attempts': attempts,
    'error.type': failure?.class,
    ...usageOf(usage),
  },
});

export const attemptSpan = (attempt: Attempt): Described => ({
  name: `invoke_agent ${attempt.agent}`,
  attributes: {
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.id': attempt.agent,
    'gen_ai.agent.name': attempt.agent.split('/').at(-1),
    'gen_ai.conversation.id': attempt.sessionId ?? undefined,
    'gantry.attempt.id': attempt.id,
    'gantry.attempt.number': attempt.number,
    'gantry.backend': attempt.backend,
    'gantry.state': attempt.state,
    'error.type': attempt.failure?.class,
    ...modelOf(attempt.model),
    ...usageOf(attempt.usage),
  },
});

export const turnSpan = (
  session: Session | null,
  outcome: string,
  usage: Usage,
  failure: string | null,
): Described => ({
  name: `chat ${session?.model ?? session?.backend ?? 'model'}`,
  attributes: {
    'gen_ai.operation.name': 'chat',
    'gen_ai.conversation.id': session?.id,
    'gantry.backend': session?.backend,
    'gantry.session.purpose': session?.purpose,
    'gantry.outcome': outcome,
    'error.type': failure ?? undefined,
    ...modelOf(session?.model ?? null),
    ...usageOf(usage),
  },
});

export const toolSpan = (tool: string, callId: string, status: string | null): Described => ({
  name: `execute_tool ${tool}`,
  attributes: {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': tool,
    'gen_ai.tool.call.id': callId,
    'error.type': status === 'completed' ? undefined : (status ?? 'unfinished'),
  },
});
