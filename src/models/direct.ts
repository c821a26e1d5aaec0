import type { LanguageModel } from 'ai';
import { pause } from '../base/wait.ts';
import { AppError } from '../contract/errors.ts';
import { type ApiCallError, classify, failure, type ModelFailure } from './failure.ts';
import { PROVIDERS, type Provider } from './providers.ts';

/** What is asked of a model, and by which key. The environment is never read. */
export type ModelQuestion = {
  /** `provider/model`; the first slash parts them (`openrouter/openai/gpt-5-mini`). */
  readonly model: string;
  readonly system: string;
  readonly prompt: string;
  /** A JSON Schema that the answer should match. It is asked for in words; nobody checks it here. */
  readonly schema?: Readonly<Record<string, unknown>>;
  readonly temperature?: number;
  /** For all tries together; 60,000 if not given. */
  readonly limitMs?: number;
  readonly signal: AbortSignal;
  /** The base of the provider's API (`http://127.0.0.1:11434/v1`), in place of the known one. */
  readonly endpoint?: string;
  readonly credential: { readonly name: string; readonly value: string } | null;
  readonly headers?: Readonly<Record<string, string>>;
};

/** `usage` and `costUsd` are null if the provider does not say them (of the cost only OpenRouter does). */
export type ModelAnswer = {
  readonly ok: true;
  readonly text: string;
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number } | null;
  readonly costUsd: number | null;
};

const RETRY_PAUSE_MS = 500;
const DEFAULT_LIMIT_MS = 60_000;

/**
 * Asks a model once, beside any agent program. A second try is made when the connection or the server (5xx) failed.
 * @throws AppError cancelled when `signal` aborts; bad_config if the model's name or the endpoint is not usable.
 */
export async function askModel(question: ModelQuestion): Promise<ModelAnswer | ModelFailure> {
  const { provider, name, modelId, endpoint } = targetOf(question);
  const { signal, credential } = question;
  if (signal.aborted) throw new AppError('cancelled', 'The model call was cancelled.');
  if (!credential && question.endpoint === undefined && provider.keyNames.length > 0) {
    return failure('no_key', `${name} needs a key: set ${provider.keyNames.join(' or ')}.`, []);
  }
  const ai = await import('ai');
  // Its warnings (a model without temperature, say) would go to the daemon's stderr.
  globalThis.AI_SDK_LOG_WARNINGS = false;
  const model = await modelOf(provider.api, { name, modelId, baseURL: endpoint, key: credential?.value ?? null });
  const limitMs = question.limitMs ?? DEFAULT_LIMIT_MS;
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), limitMs);
  const stop = AbortSignal.any([signal, limit.signal]);
  const secrets = [credential?.value ?? '', ...Object.values(question.headers ?? {})];
  const attempt = async (): Promise<ModelAnswer | ModelFailure> => {
    try {
      return await askOnce(ai, model, question, stop);
    } catch (error) {
      if (signal.aborted) throw new AppError('cancelled', 'The model call was cancelled.');
      if (limit.signal.aborted) return failure('timeout', `${name} did not answer within ${limitMs} ms.`, secrets);
      return thrown(error, ai.APICallError.isInstance(error) ? error : null, name, secrets);
    }
  };
  try {
    const first = await attempt();
    if (first.ok || first.class !== 'unreachable') return first;
    await pause(RETRY_PAUSE_MS, stop);
    return await attempt();
  } finally {
    clearTimeout(timer);
  }
}

function thrown(error: unknown, apiError: ApiCallError | null, name: string, secrets: readonly string[]): ModelFailure {
  const found = apiError ? classify(apiError, Date.now()) : { class: 'model' as const };
  const status = apiError?.statusCode === undefined ? '' : `HTTP ${apiError.statusCode}: `;
  const text = error instanceof Error ? error.message : String(error);
  return failure(found.class, `${name}: ${status}${text}`, secrets, found.retryAfterMs);
}

async function askOnce(
  ai: typeof import('ai'),
  model: LanguageModel,
  question: ModelQuestion,
  abortSignal: AbortSignal,
): Promise<ModelAnswer | ModelFailure> {
  const { prompt, temperature, headers } = question;
  const result = await ai.generateText({
    model,
    instructions: instructionsOf(question),
    prompt,
    maxRetries: 0,
    // OpenAI keeps the answers of its responses API otherwise; nobody asks for them again.
    providerOptions: { openai: { store: false } },
    abortSignal,
    ...(temperature === undefined ? {} : { temperature }),
    ...(headers === undefined ? {} : { headers: { ...headers } }),
  });
  if (result.text.trim() === '') return failure('empty', `The model answered nothing (${result.finishReason}).`, []);
  const { inputTokens, outputTokens, raw } = result.usage;
  const cost = raw?.cost;
  return {
    ok: true,
    text: result.text,
    usage: inputTokens === undefined || outputTokens === undefined ? null : { inputTokens, outputTokens },
    costUsd: typeof cost === 'number' ? cost : null,
  };
}

/** Words instead of a provider's schema mode: every model understands them, and the reader checks the answer anyway. */
const instructionsOf = ({ system, schema }: ModelQuestion): string =>
  schema === undefined
    ? system
    : `${system}\n\nAnswer with one JSON value and nothing else: no prose, no code fence. It must match this JSON Schema:\n${JSON.stringify(schema)}`;

type Target = {
  readonly provider: Provider;
  readonly name: string;
  readonly modelId: string;
  readonly endpoint: string;
};

function targetOf({ model, endpoint }: ModelQuestion): Target {
  const slash = model.indexOf('/');
  const name = model.slice(0, slash);
  const modelId = model.slice(slash + 1);
  if (slash < 1 || modelId === '') throw new AppError('bad_config', `"${model}" is no model: write provider/model.`);
  if (endpoint !== undefined && !(URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol))) {
    throw new AppError('bad_config', `The endpoint of ${name} is no http(s) URL.`);
  }
  const known = Object.hasOwn(PROVIDERS, name) ? PROVIDERS[name] : undefined;
  if (known) return { provider: known, name, modelId, endpoint: endpoint ?? known.endpoint };
  if (endpoint !== undefined) {
    return { provider: { api: 'compatible', endpoint, keyNames: [] }, name, modelId, endpoint };
  }
  const names = Object.keys(PROVIDERS).join(', ');
  throw new AppError('bad_config', `"${name}" is not a known provider (${names}): give its endpoint.`);
}

/** Loads only the provider's own package. Key and address are always given, or the packages would read the environment. */
async function modelOf(
  api: Provider['api'],
  { name, modelId, baseURL, key }: { name: string; modelId: string; baseURL: string; key: string | null },
): Promise<LanguageModel> {
  const native = { baseURL, apiKey: key ?? 'unused' };
  switch (api) {
    case 'openai':
      return (await import('@ai-sdk/openai')).createOpenAI(native)(modelId);
    case 'anthropic':
      return (await import('@ai-sdk/anthropic')).createAnthropic(native)(modelId);
    case 'google':
      return (await import('@ai-sdk/google')).createGoogle(native)(modelId);
    case 'compatible': {
      const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
      return createOpenAICompatible({ name, baseURL, ...(key === null ? {} : { apiKey: key }) })(modelId);
    }
    default:
      return api satisfies never;
  }
}
