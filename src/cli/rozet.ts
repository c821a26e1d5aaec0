import { basename, dirname, resolve } from 'node:path';
import { type Document, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { redact } from '../base/redact.ts';
import type { Config } from '../contract/config.ts';
import { AppError } from '../contract/errors.ts';
import { didYouMean } from '../daemon/nearest.ts';

/** A section that holds only comments is null, and counts as absent. */
const section = <T extends z.ZodType>(schema: T) => schema.nullish();
const text = z.string().min(1);

const Model = z.strictObject({
  provider: z.enum(['openai', 'gemini', 'anthropic', 'ollama']),
  model: text,
  temperature: section(z.number()),
  endpoint: section(z.url()),
  system_prompt_path: section(text),
  budget_usd: section(z.number().positive()),
  behavior_profile: section(text),
});

/** Rozet's `providers.yaml` (github.com/drrozen-med/rozet at a44dfcc). */
const Providers = z.strictObject({
  orchestrator: Model,
  workers: section(z.record(z.string().regex(/^[\w.-]{1,40}$/, 'letters, digits, dots and dashes'), Model)),
  credentials: section(z.record(text, section(text))),
  budget: section(
    z.strictObject({ max_session_usd: section(z.number().positive()), max_task_usd: section(z.number().positive()) }),
  ),
  opencode: section(
    z.strictObject({
      disabled_models: section(z.array(text)),
      allowed_models_only: section(z.boolean()),
      allowed_models: section(z.array(text)),
      provider_priority: section(z.array(text)),
    }),
  ),
});
type Providers = z.infer<typeof Providers>;
type Model = z.infer<typeof Model>;

export type Import = {
  /** What is to be set in Gantry's configuration. */
  readonly config: Config;
  /** What had no effect, or needs a look, in words. */
  readonly notices: readonly string[];
};

/**
 * Reads Rozet's configuration. `fileExists` tells whether a prompt file is there.
 * @throws AppError bad_config with file, line and key of every fault; never shows what may be a key
 */
export function readRozet(yaml: string, file: string, fileExists: (path: string) => boolean): Import {
  const lines = new LineCounter();
  const document = parseDocument(yaml, { lineCounter: lines });
  const [fault] = document.errors;
  if (fault !== undefined) {
    throw new AppError('bad_config', `${file}:${lines.linePos(fault.pos[0]).line}: not valid YAML: ${fault.code}`);
  }
  const checked = Providers.safeParse(valueIn(document, file));
  if (!checked.success) throw explain(checked.error.issues, { document, lines, file });
  refuseKeys(checked.data, { document, lines, file });
  return convert(checked.data, dirname(resolve(file)), fileExists);
}

/** @throws AppError bad_config for an alias of nothing: the parser leaves that to whoever wants the value */
function valueIn(document: Document, file: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw new AppError(
      'bad_config',
      `${file}: not valid YAML: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

type Source = { readonly document: Document; readonly lines: LineCounter; readonly file: string };

function lineOf({ document, lines }: Source, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    const range =
      typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range) ? node.range : null;
    if (range !== null) return lines.linePos(Number(range[0])).line;
  }
  return 1;
}

const KNOWN = ['orchestrator', 'workers', 'credentials', 'budget', 'opencode'];

function knownAt(path: readonly PropertyKey[]): readonly string[] {
  if (path.length === 0) return KNOWN;
  if (path[0] === 'orchestrator' || path[0] === 'workers') return Object.keys(Model.shape);
  if (path[0] === 'budget') return ['max_session_usd', 'max_task_usd'];
  return ['disabled_models', 'allowed_models_only', 'allowed_models', 'provider_priority'];
}

function explain(issues: readonly z.core.$ZodIssue[], source: Source): AppError {
  const faults = issues.flatMap((issue) => {
    const at = (path: readonly PropertyKey[], message: string): string =>
      `${source.file}:${lineOf(source, path)}: ${path.join('.')}: ${message}`;
    if (issue.code !== 'unrecognized_keys') return [at(issue.path, issue.message)];
    return issue.keys.map((key) => at([...issue.path, key], `unknown key${didYouMean(key, knownAt(issue.path))}`));
  });
  return new AppError('bad_config', faults.join('\n'));
}

/** Some keys consist of capital letters and digits too. */
const isVariableName = (name: string): boolean => /^[A-Z][A-Z0-9_]*$/.test(name) && redact(name) === name;

function refuseKeys({ credentials }: Providers, source: Source): void {
  for (const [provider, name] of Object.entries(credentials ?? {})) {
    if (typeof name !== 'string' || isVariableName(name)) continue;
    const line = lineOf(source, ['credentials', provider]);
    const message = `${source.file}:${line}: credentials.${provider}: the NAME of a variable belongs here, not a key`;
    throw new AppError('bad_config', message);
  }
}

const isOpenRouter = (endpoint: string | null | undefined): boolean =>
  endpoint !== null && endpoint !== undefined && /(^|\.)openrouter\.ai$/.test(new URL(endpoint).hostname);

/** `provider/model` in Gantry's words; a label is never doubled. */
function modelName({ provider, model, endpoint }: Model): string {
  if (isOpenRouter(endpoint)) return `openrouter/${model.replace(/^openrouter\//, '')}`;
  const name = provider === 'gemini' ? 'google' : provider;
  return model.startsWith(`${name}/`) || model.startsWith(`${provider}/`)
    ? `${name}/${model.slice(model.indexOf('/') + 1)}`
    : `${name}/${model}`;
}

function convert(found: Providers, directory: string, fileExists: (path: string) => boolean): Import {
  const { orchestrator, workers, opencode, budget } = found;
  const promptFile = findPrompt(orchestrator.system_prompt_path, directory, fileExists);
  const hasPrompt = promptFile !== null && fileExists(promptFile);
  const config = filled({
    planner: {
      model: modelName(orchestrator),
      temperature: orchestrator.temperature,
      endpoint: endpointOf(orchestrator),
      credential: credentialOf(found),
      promptFile: hasPrompt ? promptFile : null,
      budgetUsd: orchestrator.budget_usd,
    },
    roles: Object.fromEntries(
      Object.entries(workers ?? {}).map(([name, worker]) => [
        name,
        { backend: 'opencode', model: modelName(worker), taskUsd: worker.budget_usd },
      ]),
    ),
    limits: { requestUsd: budget?.max_session_usd, taskUsd: budget?.max_task_usd },
    models: {
      deny: opencode?.disabled_models,
      allowOnly: opencode?.allowed_models_only === true ? (opencode.allowed_models ?? []) : null,
    },
  });
  const missing =
    promptFile !== null && !hasPrompt ? [`orchestrator.system_prompt_path: ${promptFile} is not there; left out`] : [];
  return { config, notices: [...missing, ...modelNotices(found), ...unusedKeys(found)] };
}

/** Rozet reads a relative path from the folder above `config/`; beside the file is where everybody else puts it. */
function findPrompt(
  path: string | null | undefined,
  directory: string,
  fileExists: (path: string) => boolean,
): string | null {
  if (!path) return null;
  const places = [resolve(directory, path), resolve(directory, '..', path)];
  if (basename(directory) === 'config') places.reverse();
  return places.find(fileExists) ?? places[0] ?? null;
}

/** Ollama's own address serves Rozet; what Gantry speaks is below `/v1`. */
function endpointOf({ provider, endpoint }: Model): string | null {
  if (!endpoint) return null;
  const bare = endpoint.replace(/\/+$/, '');
  return provider === 'ollama' && !bare.endsWith('/v1') ? `${bare}/v1` : endpoint;
}

/** Without what is absent, and without the objects that are empty then. */
function filled(value: Readonly<Record<string, unknown>>): Config {
  const entries = Object.entries(value).flatMap(([key, item]) => {
    if (item === null || item === undefined) return [];
    if (typeof item !== 'object' || Array.isArray(item)) return [[key, item] as const];
    const inner = filled(item as Readonly<Record<string, unknown>>);
    return Object.keys(inner).length === 0 ? [] : [[key, inner] as const];
  });
  return Object.fromEntries(entries);
}

function credentialOf({ orchestrator, credentials }: Providers): string | null {
  const named = credentials?.[orchestrator.provider] ?? null;
  if (!isOpenRouter(orchestrator.endpoint)) return named;
  // OpenRouter refuses OpenAI's key, and must not see it: its own is looked for by its usual name.
  return credentials?.openrouter ?? (named === 'OPENAI_API_KEY' ? null : named);
}

function modelNotices({ orchestrator: { endpoint, model } }: Providers): string[] {
  if (!isOpenRouter(endpoint) || model.includes('/')) return [];
  return [`orchestrator.model: OpenRouter does not know "${model}"; it wants a name such as openai/${model}`];
}

const WORKER_KEYS = ['temperature', 'endpoint', 'system_prompt_path', 'behavior_profile'] as const;

/** One notice for each key that changes nothing. */
function unusedKeys(found: Providers): string[] {
  const { orchestrator, workers, credentials, opencode } = found;
  const used = credentialOf(found);
  const unused: [key: string, why: string][] = Object.entries(credentials ?? {})
    .filter(([, name]) => name !== used)
    .map(([provider, name]) => [
      `credentials.${provider}`,
      provider === orchestrator.provider && name === 'OPENAI_API_KEY'
        ? 'OpenRouter is asked with OPENROUTER_API_KEY'
        : 'agent programs have a login of their own',
    ]);
  if (orchestrator.behavior_profile) unused.push(['orchestrator.behavior_profile', 'there are no profiles']);
  for (const [name, worker] of Object.entries(workers ?? {})) {
    const keys = WORKER_KEYS.filter((key) => worker[key] !== null && worker[key] !== undefined);
    unused.push(...keys.map((key): [string, string] => [`workers.${name}.${key}`, 'the agent program decides this']));
  }
  if (opencode?.provider_priority?.length)
    unused.push(['opencode.provider_priority', 'a model is never changed silently']);
  if (opencode?.allowed_models?.length && opencode.allowed_models_only !== true) {
    unused.push(['opencode.allowed_models', 'allowed_models_only is not true']);
  }
  return unused.map(([key, why]) => `${key} has no effect: ${why}`);
}
